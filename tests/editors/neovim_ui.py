"""A Neovim without a screen: msgpack-RPC over its stdin and stdout, and the grid it paints.

Only what the tests need, and only the standard library, so that they run wherever Python does. Not a
general client: integers, strings, lists and maps, no notifications but `redraw`.
"""

import os
import struct
import subprocess
import threading
import time


def pack(value):
    """`value` in MessagePack."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value)
    if isinstance(value, str):
        text = value.encode()
        return struct.pack(">BI", 0xDB, len(text)) + text
    if isinstance(value, (list, tuple)):
        return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        pairs = (pack(key) + pack(item) for key, item in value.items())
        return struct.pack(">BI", 0xDF, len(value)) + b"".join(pairs)
    raise TypeError(f"cannot pack {type(value)}")


class Unpacker:
    """Reads MessagePack values from a binary stream; raises EOFError at its end."""

    # Tag byte: struct format of the number that follows.
    NUMBERS = {0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
    STRINGS = {0xC4: "B", 0xC5: "H", 0xC6: "I", 0xD9: "B", 0xDA: "H", 0xDB: "I"}
    EXTENSIONS = {0xC7: "B", 0xC8: "H", 0xC9: "I"}

    def __init__(self, stream):
        self.stream = stream

    def take(self, count):
        taken = self.stream.read(count)
        if len(taken) < count:
            raise EOFError
        return taken

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def read(self):
        tag = self.take(1)[0]
        if tag <= 0x7F:
            return tag
        if tag >= 0xE0:
            return tag - 0x100
        if tag <= 0x8F:
            return self.map(tag & 0x0F)
        if tag <= 0x9F:
            return self.list(tag & 0x0F)
        if tag <= 0xBF:
            return self.text(tag & 0x1F)
        if tag in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[tag]
        if tag in self.NUMBERS:
            return self.number(self.NUMBERS[tag])
        if tag in self.STRINGS:
            return self.text(self.number(self.STRINGS[tag]))
        if tag in (0xDC, 0xDD):
            return self.list(self.number("H" if tag == 0xDC else "I"))
        if tag in (0xDE, 0xDF):
            return self.map(self.number("H" if tag == 0xDE else "I"))
        # Handles of buffers, windows and tabs: their bytes are enough to pass over them.
        size = self.number(self.EXTENSIONS[tag]) if tag in self.EXTENSIONS else 1 << (tag - 0xD4)
        return self.take(1 + size)

    def text(self, size):
        return self.take(size).decode(errors="replace")

    def list(self, size):
        return [self.read() for _ in range(size)]

    def map(self, size):
        return {self.read(): self.read() for _ in range(size)}


class Neovim:
    """One embedded Neovim with a painted grid of `WIDTH` by `HEIGHT` cells.

    `ghost` is the ghost text on the grid, the cells in Neovim's highlight for it, a line for each row;
    `ghost_painted_at` is when it last changed, `painted_at` when anything did, by `time.monotonic`.
    """

    WIDTH, HEIGHT = 160, 40
    # Highlights of ghost text: Neovim's own and the module's.
    GHOSTS = {"ComplHint", "GhostlineGhost"}

    def __init__(self, argv, env, cwd):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd=cwd)
        self.changed = threading.Condition()
        self.answers = {}
        self.is_closed = False
        self.last_id = 0
        self.cells = [[(" ", 0)] * self.WIDTH for _ in range(self.HEIGHT)]
        # The names and the attributes of each highlight; the default colours have the number 0.
        self.highlights = {}
        self.attributes = {0: {"foreground": 0xE0E2EA, "background": 0x14161B}}
        self.cursor = (0, 0)
        self.painted_at = 0.0
        self.ghost = ""
        self.ghost_painted_at = 0.0
        threading.Thread(target=self._listen, daemon=True).start()
        self.call("nvim_ui_attach", self.WIDTH, self.HEIGHT, {"rgb": True, "ext_linegrid": True, "ext_hlstate": True})

    def call(self, method, *arguments, timeout=20):
        """The result of an API function; RuntimeError with Neovim's own words if it fails."""
        with self.changed:
            self.last_id += 1
            request = self.last_id
        self.process.stdin.write(pack([0, request, method, list(arguments)]))
        self.process.stdin.flush()
        with self.changed:
            self.changed.wait_for(lambda: request in self.answers or self.is_closed, timeout)
            if request not in self.answers:
                raise TimeoutError(f"Neovim did not answer {method}")
            error, result = self.answers.pop(request)
        if error is not None:
            raise RuntimeError(f"{method}: {error[1] if isinstance(error, list) else error}")
        return result

    def lua(self, code, *arguments):
        return self.call("nvim_exec_lua", code, list(arguments))

    def press(self, keys):
        """Types `keys`, in Neovim's notation; returns the moment, on the clock of `painted_at`."""
        pressed_at = time.monotonic()
        self.call("nvim_input", keys)
        return pressed_at

    def wait_until(self, condition, timeout):
        """Waits, looking again whenever something was painted and now and then, until `condition(self)`; its last value."""
        deadline = time.monotonic() + timeout
        while True:
            with self.changed:
                seen = self.painted_at
            value = condition(self)
            left = deadline - time.monotonic()
            if value or left <= 0:
                return value
            with self.changed:
                self.changed.wait_for(lambda: self.painted_at != seen or self.is_closed, min(left, 0.02))

    def screen(self):
        with self.changed:
            return "\n".join("".join(text for text, _ in row).rstrip() for row in self.cells).rstrip()

    def quit(self):
        """Leaves without saving; true when the process ended within five seconds."""
        try:
            self.call("nvim_command", "qa!", timeout=5)
        except (TimeoutError, RuntimeError, OSError):
            pass
        try:
            self.process.wait(5)
            return True
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False

    def _listen(self):
        unpacker = Unpacker(os.fdopen(os.dup(self.process.stdout.fileno()), "rb"))
        try:
            while True:
                message = unpacker.read()
                with self.changed:
                    if message[0] == 1:
                        self.answers[message[1]] = (message[2], message[3])
                    elif message[0] == 2 and message[1] == "redraw":
                        for event in message[2]:
                            for arguments in event[1:]:
                                self._redraw(event[0], arguments)
                    self.changed.notify_all()
        except (EOFError, OSError, ValueError):
            with self.changed:
                self.is_closed = True
                self.changed.notify_all()

    def _redraw(self, event, arguments):
        if event == "grid_line":
            _, row, column, cells = arguments[:4]
            highlight = 0
            for cell in cells:
                highlight = cell[1] if len(cell) > 1 else highlight
                for _ in range(cell[2] if len(cell) > 2 else 1):
                    self.cells[row][column] = (cell[0], highlight)
                    column += 1
        elif event == "grid_clear":
            self.cells = [[(" ", 0)] * self.WIDTH for _ in range(self.HEIGHT)]
        elif event == "grid_scroll":
            _, top, bottom, left, right, rows, _ = arguments
            order = range(top, bottom - rows) if rows > 0 else range(bottom - 1, top - rows - 1, -1)
            for row in order:
                self.cells[row][left:right] = self.cells[row + rows][left:right]
        elif event == "grid_cursor_goto":
            self.cursor = tuple(arguments[1:3])
        elif event == "hl_attr_define":
            self.highlights[arguments[0]] = {entry.get("hi_name") for entry in arguments[3]}
            self.attributes[arguments[0]] = arguments[1]
        elif event == "default_colors_set":
            self.attributes[0] = {"foreground": arguments[0], "background": arguments[1]}
        elif event == "flush":
            self.painted_at = time.monotonic()
            ghost = self._painted_ghost()
            if ghost != self.ghost:
                self.ghost, self.ghost_painted_at = ghost, self.painted_at

    def _painted_ghost(self):
        ghost = {number for number, names in self.highlights.items() if names & self.GHOSTS}
        rows = ("".join(text for text, highlight in row if highlight in ghost) for row in self.cells)
        return "\n".join(row for row in rows if row)
