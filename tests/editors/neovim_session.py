"""One Neovim on one file, with what the cases do over and over; and the two ways that show ghost text there."""

import time
from dataclasses import dataclass, field

import common
from neovim_ui import Neovim

# Longer than an answer takes on a busy machine. Reached only when something is wrong.
PATIENCE = 15

INIT = """
vim.opt.runtimepath:append(%r)
vim.opt.swapfile = false
vim.opt.shortmess:append('I')
-- Neovim looks for a Python with its module when it opens a Python file: seconds, on a busy machine.
vim.g.loaded_python3_provider = 0
-- A highlight of its own, so that ghost text can be told from everything else on the grid.
vim.api.nvim_set_hl(0, 'ComplHint', { fg = '#808080' })
vim.api.nvim_set_hl(0, 'GhostlineGhost', { fg = '#808080' })
local ghostline = %r

-- How often Neovim has asked for ghost text, and how often it was answered.
vim.g.asked, vim.g.answered = 0, 0
vim.api.nvim_create_autocmd('LspRequest', {
  callback = function(event)
    local request = event.data.request
    if request.method == 'textDocument/inlineCompletion' then
      vim.g.asked = vim.g.asked + (request.type == 'pending' and 1 or 0)
      vim.g.answered = vim.g.answered + (request.type == 'complete' and 1 or 0)
    end
  end,
})
-- Messages as they are shown, so that nothing is said that no case expects.
_G.said = {}
local notify = vim.notify
vim.notify = function(message, ...)
  table.insert(_G.said, message)
  return notify(message, ...)
end
"""

# The text of all ghost text marks, in a line for each line: whole, even where the window cuts it off.
MARKS = """
local namespace = vim.api.nvim_get_namespaces()[...]
local text = {}
for _, mark in ipairs(namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true }) or {}) do
  text[#text + 1] = mark[4].virt_text and mark[4].virt_text[1][1] or ''
  for _, line in ipairs(mark[4].virt_lines or {}) do
    text[#text + 1] = line[1][1]
  end
end
return table.concat(text, '\\n')
"""

SERVER_TEXT = """
local client = vim.lsp.get_clients({ name = 'ghostline' })[1]
local answer = client:request_sync('ghostline/documentText', { uri = vim.uri_from_bufnr(0) }, 5000)
return answer and answer.result and answer.result.text or vim.inspect(answer)
"""


@dataclass
class Way:
    """How ghost text comes about: by Neovim itself or by the module."""

    name: str
    init: str
    namespace: str
    # Neovim asks this long after the last key, whatever the server does.
    delay: float = 0.0
    cases: list = field(default_factory=list)


NATIVE = Way(
    "native",
    "vim.lsp.config('ghostline', { cmd = { ghostline, 'lsp' } })\nvim.lsp.enable('ghostline')\n",
    "nvim.lsp.inline_completion",
    0.2,
)
FRAME = Way("own", "require('ghostline').setup({ cmd = { ghostline, 'lsp' } })\n", "ghostline")


def typed(text):
    """`text` in Neovim's notation for keys."""
    return "".join({" ": "<Space>", "<": "<lt>", "\n": "<CR>"}.get(char, char) for char in text)


def another(char):
    """A character that is not `char`."""
    return "z" if char != "z" else "q"


class Session:
    """Without a program the ghost text comes from whatever `way` starts."""

    def __init__(self, program, editor, project, name, way, before="", text=None, has_server=True, first_keys=""):
        self.way = way
        self.name = name
        self.program = program
        init = project.folder / f"init-{way.name}.lua"
        init.write_text(before + INIT % (str(common.REPOSITORY / "editors" / "neovim"), program) + way.init)
        # They take whatever the small model says.
        env = {**project.env, "GHOSTLINE_COMPLETION_MIN_CONFIDENCE": "0"}
        self.neovim = Neovim([editor, "--embed", "--clean", "-u", str(init), name], env, project.work)
        sample = common.SAMPLES.get(name, ("", ""))
        self.text, self.line = text if text is not None else sample[0], sample[1]
        # From key press to ghost text: where what was typed agrees with it, and where it is asked anew.
        self.times = {"typed along": [], "asked anew": []}
        self.asked = 0
        self.pressed_at = 0.0
        self.before_key = ""
        try:
            self.neovim.press(first_keys)
            if has_server:
                self.wait(lambda: self.clients() == 1, "no server")
            # The indentation is part of what is typed.
            self.neovim.call("nvim_command", "setlocal noautoindent indentexpr= nocindent")
        except Exception:
            self.neovim.quit()
            raise

    def wait(self, condition, what, patience=PATIENCE):
        """Waits until `condition()` is true, and fails with `what` and the screen when it does not become so."""
        value = self.neovim.wait_until(lambda _: condition(), patience)
        assert value, f"{what() if callable(what) else what}\n{self.neovim.screen()}\nsaid: {self.said()}"
        return value

    def lua(self, code, *arguments):
        try:
            return self.neovim.lua(code, *arguments)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.neovim.screen()}") from error

    def said(self):
        return self.lua("return _G.said")

    def clients(self):
        return self.lua("return #vim.lsp.get_clients({ name = 'ghostline', bufnr = 0 })")

    def buffer(self):
        return "\n".join(self.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, true)"))

    def ghost(self):
        return self.lua(MARKS, self.way.namespace)

    def mode(self):
        return self.lua("return vim.api.nvim_get_mode().mode")

    def press(self, keys):
        """Types `keys`, in Neovim's notation, and remembers when, and how often Neovim had asked by then."""
        self.asked = self.lua("return vim.g.asked")
        self.before_key = self.ghost()
        self.pressed_at = self.neovim.press(keys)

    def press_char(self, char):
        self.press(typed(char))

    def settle(self):
        """Waits until Neovim has asked for the last key pressed, has its answer and has painted it.

        What was painted last is one measurement. In Neovim's own way only what was painted no sooner than it asks:
        sooner, it is the old text with the typed character cut off.
        """
        counts = "return { vim.g.asked, vim.g.answered }"

        def is_answered():
            asked, answered = self.lua(counts)
            return asked > self.asked and answered >= asked

        self.wait(is_answered, "no request or no answer")
        # The answer is drawn by the event after the one that counted it.
        self.neovim.wait_until(lambda n: n.ghost.split("\n")[0] == self.ghost().split("\n")[0], 1)
        took = self.neovim.ghost_painted_at - self.pressed_at
        if self.neovim.ghost and took >= self.way.delay:
            is_along = self.before_key[1:] == self.ghost() != ""
            self.times["typed along" if is_along and not self.way.delay else "asked anew"].append(took)

    def start_over(self, text=None):
        """The file as it was, or `text`; the cursor in insert mode on an empty last line."""
        self.neovim.press("<Esc>")
        self.wait(lambda: self.mode() == "n", "not in normal mode")
        text = self.text if text is None else text
        self.lua("local l = vim.split(..., '\\n'); vim.api.nvim_buf_set_lines(0, 0, -1, true, l); vim.api.nvim_win_set_cursor(0, { #l, 0 })", text)
        self.press("A")
        self.wait(lambda: self.mode() == "i", "not in insert mode")

    def type_until_ghost(self, at_least=3):
        """Types the sample line key by key until ghost text stands there; the ghost text.

        From `at_least` characters on each key waits for its answer, as a person does who looks at what is offered.
        """
        begun = len(self.line) - len(self.line.lstrip()) + at_least - 1
        self.press(typed(self.line[:begun]))
        self.wait(lambda: self.lua("return vim.api.nvim_get_current_line()").endswith(self.line[:begun]), "not typed")
        for char in self.line[begun:]:
            self.press_char(char)
            self.settle()
            ghost = self.ghost()
            # More characters than the cases type over.
            if len(ghost.split("\n")[0]) > 3:
                return ghost
        raise AssertionError(f"no ghost text while typing {self.line!r}\n{self.neovim.screen()}")

    def begin(self):
        """Starts over and types until there is ghost text: the ghost text and the buffer that it stands in."""
        self.start_over()
        ghost = self.type_until_ghost()
        return ghost, self.buffer()

    def show_a_block(self):
        """Ghost text where a body is to come, of several lines if the model has them; else where the line is begun."""
        self.start_over()
        self.press(typed(self.line[: len(self.line) - len(self.line.lstrip())]))
        self.settle()
        if not self.ghost():
            self.begin()

    def wait_for_model(self):
        """The first requests come back empty while the model is being loaded."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.begin()
                for times in self.times.values():
                    times.clear()
                return
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def expect_buffer(self, expected, what):
        self.neovim.wait_until(lambda _: self.buffer() == expected, 5)
        actual = self.buffer()
        assert actual == expected, f"{what}:\nexpected {expected!r}\nactual   {actual!r}\nsaid {self.said()}"

    def expect_no_ghost(self, what):
        self.wait(lambda: not self.neovim.ghost and not self.ghost(), lambda: f"{what}: {self.ghost()!r} stands", 5)

    def expect_ghost(self, expected, what):
        self.wait(lambda: self.ghost() == expected, lambda: f"{what}: expected {expected!r}, ghost text {self.ghost()!r}", 5)

    def expect_no_errors(self):
        errors = self.lua("return vim.v.errmsg")
        assert not errors, errors
