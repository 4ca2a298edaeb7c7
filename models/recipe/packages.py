"""The lists of packages, and where their files lie after they were fetched.

A list has one name a line, `#` for comments, and the word `held-out` behind the names that are kept for evaluation.
"""

import json
import os
import platform
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from . import cleaning, licences

SUFFIXES = {"rust": ".rs", "python": ".py"}


@dataclass(frozen=True)
class Package:
    """One release of one package that was fetched, and the files it brought (paths relative to `root`)."""

    language: str
    name: str
    version: str
    licence: str
    root: Path
    files: tuple[str, ...]


def read_list(path: Path) -> dict[str, bool]:
    """Names in a list, and whether each is held out."""
    names = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[1:] not in ([], ["held-out"]):
            raise SystemExit(f"{path}:{number}: `{' '.join(words[1:])}` is unknown; only `held-out` may follow a name")
        names[words[0]] = bool(words[1:])
    return names


def crates(metadata: Path) -> Iterator[Package]:
    """The crates in the output of `cargo metadata`."""
    for crate in json.loads(metadata.read_text())["packages"]:
        if crate["source"] is None:  # the scratch package itself
            continue
        root = Path(crate["manifest_path"]).parent
        licence = crate.get("license") or ""
        yield Package("rust", crate["name"], crate["version"], licence, root, tuple(below(root, ".rs")))


def wheels(folder: Path) -> Iterator[Package]:
    """The wheels that were unpacked into one folder."""
    for info in sorted(folder.glob("*.dist-info")):
        metadata = Parser().parsestr((info / "METADATA").read_text(encoding="utf-8", errors="replace"))
        name = str(metadata["Name"]).lower().replace("_", "-")
        files = tuple(_recorded(info / "RECORD"))
        yield Package("python", name, str(metadata["Version"]), licences.of_python(metadata), folder, files)


def standard_libraries() -> Iterator[Package]:
    """Python's, of the interpreter that runs this; Rust's, where the toolchain has the component `rust-src`."""
    root = Path(sysconfig.get_path("stdlib"))
    files = tuple(below(root, ".py"))
    tests = tuple(file for file in files if file.startswith("test/"))
    own = tuple(file for file in files if not file.startswith("test/"))
    for name, some in (("python-stdlib", own), ("python-stdlib-tests", tests)):
        yield Package("python", name, platform.python_version(), "PSF-2.0", root, some)
    sysroot = _output("rustc", "--print", "sysroot")
    library = Path(sysroot or os.devnull) / "lib/rustlib/src/rust/library"
    if library.is_dir():
        version = _output("rustc", "--version").split()[1]
        yield Package("rust", "rust-std", version, "MIT OR Apache-2.0", library, tuple(below(library, ".rs")))


def below(root: Path, suffix: str) -> Iterator[str]:
    """Files below a folder, sorted, but those in folders that are skipped."""
    for folder, folders, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        prefix = "" if relative == "." else relative + "/"
        folders[:] = sorted(name for name in folders if not cleaning.is_skipped_path(f"{prefix}{name}/"))
        yield from (prefix + file for file in sorted(files) if file.endswith(suffix))


def _recorded(record: Path) -> Iterator[str]:
    """The Python files that a wheel says it has; none outside its folder."""
    for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
        file = line.rsplit(",", 2)[0].strip('"')
        if file.endswith(".py") and ".." not in file.split("/") and not file.startswith("/"):
            yield file


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
