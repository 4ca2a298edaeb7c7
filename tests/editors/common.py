"""What the editor tests share: arguments, the files people type in, the processes of an editor, the report."""

import argparse
import os
import shutil
import statistics
import tempfile
import time
import traceback
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent

RUST = """\
struct Vector {
    x: f64,
    y: f64,
}

impl Vector {
    fn add(&self, other: f64) -> f64 {
        self.x + other
    }

    fn sub(&self, other: f64) -> f64 {
        self.x - other
    }

    fn mul(&self, other: f64) -> f64 {
        self.x * other
    }

    fn div(&self, other: f64) -> f64 {
"""

PYTHON = """\
def add(a, b):
    return a + b


def sub(a, b):
    return a - b


def mul(a, b):
    return a * b


def div(a, b):
"""

# What is typed at the end of each file. The built-in model is small: repetitive code, where any model
# has something to say. Which words it says is nowhere asserted.
SAMPLES = {
    "vector.rs": (RUST, "        self.x / other"),
    "vector.py": (PYTHON, "    return a / b"),
}


def arguments(name):
    parser = argparse.ArgumentParser(description=f"Drives a real {name} with the built program.")
    parser.add_argument("--editor", required=True, help="the editor's program")
    parser.add_argument("--ghostline", required=True, help="the program under test")
    parser.add_argument("--report", required=True, help="folder for measured times and screens")
    parsed = parser.parse_args()
    parsed.editor, parsed.ghostline = (os.path.abspath(path) for path in (parsed.editor, parsed.ghostline))
    parsed.report = Path(parsed.report).resolve()
    parsed.report.mkdir(parents=True, exist_ok=True)
    return parsed


# The cases reject far more than a person would, and begin again at the same place.
EAGER = {
    "GHOSTLINE_EAGERNESS_AFTER_DELETE": "true",
    "GHOSTLINE_EAGERNESS_BACK_OFF": "0",
    "GHOSTLINE_EAGERNESS_REPEAT_REJECTED": "true",
}


class Project:
    """A folder with the sample files, and an environment in which the user's own settings do not exist."""

    def __init__(self, report):
        self.folder = Path(tempfile.mkdtemp(prefix="ghostline-editors-"))
        self.work = self.folder / "project"
        (self.work / ".git").mkdir(parents=True)
        for name, (text, _) in SAMPLES.items():
            (self.work / name).write_text(text)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "GHOSTLINE_", "NVIM"))}
        self.env.update(
            HOME=str(self.folder),
            XDG_CONFIG_HOME=str(self.folder / "config"),
            XDG_DATA_HOME=str(self.folder / "data"),
            XDG_STATE_HOME=str(self.folder / "state"),
            # The built-in model is written here once and used by every run.
            XDG_CACHE_HOME=str(report / "cache"),
            LC_ALL="C.UTF-8",
            **EAGER,
        )

    def for_terminal(self):
        """The environment of an editor in a terminal, as short as a command line wants it."""
        keys = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "LC_ALL", *EAGER)
        return {key: self.env[key] for key in keys} | {"TERM": "tmux-256color"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def servers(program):
    """The ids of the running processes of `program`: /proc where there is one, else nothing is known."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if program.encode() in command and b"lsp" in command:
            found.add(int(entry.name))
    return found


def attempt(case, session, label):
    """Runs one case and prints how it went; the number of failures."""
    title = case.__name__.replace("_", " ")
    try:
        case(session)
        print(f"ok    {label}: {title}")
        return 0
    except Exception:
        print(f"FAIL  {label}: {title}\n{traceback.format_exc()}")
        return 1


def expect_no_process_left(label, program, before, ended):
    """Prints whether the editor `ended` and took its server with it within two seconds; the number of failures."""
    deadline = time.monotonic() + 2
    while (left := servers(program) - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    if ended and not left:
        print(f"ok    {label}: leaving it leaves no process behind")
        return 0
    print(f"FAIL  {label}: the editor {'ended' if ended else 'hangs'}, these servers are left: {sorted(left)}")
    return 1


def summary(times):
    """`n`, median and 95th percentile of `times` in seconds, as a line in milliseconds."""
    ordered = sorted(1000 * time for time in times)
    if not ordered:
        return "no times"
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"n {len(ordered)}, p50 {statistics.median(ordered):.0f} ms, p95 {p95:.0f} ms"
