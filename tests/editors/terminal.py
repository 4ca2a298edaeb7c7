"""An editor in a terminal: tmux, on a server of its own. Keys go in, screens come out, as text and as pictures."""

import html
import re
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

# Longer than anything takes on a busy machine. Reached only when something is wrong.
PATIENCE = 20

# The eight colours of old terminals, and their bright sisters.
COLOURS = ["#1d1f21", "#cc6666", "#b5bd68", "#f0c674", "#81a2be", "#b294bb", "#8abeb7", "#c5c8c6"]
COLOURS += ["#969896", "#de935f", "#b9ca4a", "#e7c547", "#7aa6da", "#c397d8", "#70c0b1", "#eaeaea"]


class Terminal:
    COLUMNS, ROWS = 120, 40

    def __init__(self, command, environment, folder):
        """Runs `command`, a list, in `folder`; of the environment only what `environment` says."""
        self.socket = tempfile.mktemp(prefix="ghostline-tmux-")
        setting = [f"{key}={value}" for key, value in environment.items()]
        line = f"cd {shlex.quote(str(folder))} && exec env {shlex.join([*setting, *map(str, command)])}"
        size = ["-x", str(self.COLUMNS), "-y", str(self.ROWS)]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "editor", *size, line)
        # Escape is a key, not the beginning of another.
        self.tmux("set-option", "-s", "escape-time", "0")

    def tmux(self, *arguments):
        command = ["tmux", "-S", self.socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "editor")

    def column(self):
        """Where the cursor stands."""
        return int(self.tmux("display-message", "-p", "-t", "editor", "#{cursor_x}"))

    def keys(self, *names):
        for name in names:
            self.tmux("send-keys", "-t", "editor", name)

    def type(self, text, pause=0.02):
        for char in text:
            self.tmux("send-keys", "-t", "editor", "-l", char)
            time.sleep(pause)

    def wait_until(self, condition, what, timeout=PATIENCE):
        """Looks every 10 ms or so, which is what a look at the screen costs; what `condition` said."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {timeout} s\n{self.screen()}")
            time.sleep(0.005)
        return value

    def is_running(self):
        return "editor" in self.tmux("list-sessions", "-F", "#{session_name}")

    def close(self):
        self.tmux("kill-server")
        Path(self.socket).unlink(missing_ok=True)

    def picture(self):
        """The screen as an SVG."""
        lines = self.tmux("capture-pane", "-p", "-e", "-N", "-t", "editor").rstrip("\n").split("\n")
        width, height = 8.4 * self.COLUMNS, 18 * len(lines)
        rows = []
        style = {}
        for number, line in enumerate(lines):
            column = 0
            for codes, text in re.findall(r"(?:\x1b\[([0-9;:]*)m)?([^\x1b]*)", line.replace("\x0e", "").replace("\x0f", "")):
                restyle(style, codes)
                if text:
                    rows.append(cell(8.4 * column, 18 * number, text, style))
                    column += sum(2 if wide(char) else 1 for char in text)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="monospace" font-size="14">'
            f'<rect width="100%" height="100%" fill="#1d1f21"/>{"".join(rows)}</svg>\n'
        )


def wide(char):
    return 0x1100 <= ord(char) <= 0x115F or 0x2E80 <= ord(char) <= 0xFF60 or ord(char) >= 0x1F300


def restyle(style, codes):
    """Does to `style` what an escape sequence for colours says."""
    if not codes:
        return
    numbers = [int(code or 0) for code in codes.replace(":", ";").split(";")]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            style.clear()
        elif code in (38, 48):
            key = "front" if code == 38 else "back"
            kind = numbers.pop(0)
            if kind == 2:
                style[key] = "#%02x%02x%02x" % tuple(numbers[:3])
                del numbers[:3]
            else:
                style[key] = indexed(numbers.pop(0))
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style["front"] = COLOURS[code % 10 + (8 if code >= 90 else 0)]
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style["back"] = COLOURS[code % 10 + (8 if code >= 100 else 0)]
        elif code in (39, 49):
            style.pop("front" if code == 39 else "back", None)
        elif code in (7, 27):
            style["reversed"] = code == 7


def indexed(number):
    if number < 16:
        return COLOURS[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    number -= 16
    return "#%02x%02x%02x" % tuple(0 if part == 0 else 55 + 40 * part for part in (number // 36, number // 6 % 6, number % 6))


def cell(x, y, text, style):
    front, back = style.get("front", "#c5c8c6"), style.get("back")
    if style.get("reversed"):
        front, back = back or "#1d1f21", front
    width = 8.4 * sum(2 if wide(char) else 1 for char in text)
    box = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="18" fill="{back}"/>' if back else ""
    if not text.strip():
        return box
    return f'{box}<text x="{x:.1f}" y="{y + 14}" fill="{front}" textLength="{width:.1f}" xml:space="preserve">{html.escape(text)}</text>'
