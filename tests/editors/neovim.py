"""Ghost text in a real Neovim, with the files of `editors/neovim` and the built program.

A Rust and a Python file are typed in; what is asserted are relations (the buffer after accepting is the
text before it plus the ghost text that stood on the screen), never what the model says.
"""

import sys
import time

import common
from neovim_ui import Neovim

# Neovim asks this long after the last key, whatever the server does.
NEOVIM_DELAY = 0.2
# Longer than an answer takes on a busy machine. Reached only when something is wrong.
PATIENCE = 10

INIT = """
vim.opt.runtimepath:append(%r)
vim.opt.swapfile = false
-- A highlight of its own, so that ghost text can be told from everything else on the grid.
vim.api.nvim_set_hl(0, 'ComplHint', { fg = '#808080' })
vim.lsp.config('ghostline', { cmd = { %r, 'lsp' } })
vim.lsp.enable('ghostline')

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
"""

# As Neovim 0.11 is to a language server and to our files. The real one is in no Debian suite.
OLD = """
vim.lsp.inline_completion = false
local announce = vim.lsp.protocol.make_client_capabilities
vim.lsp.protocol.make_client_capabilities = function()
  local capabilities = announce()
  capabilities.textDocument.inlineCompletion = nil
  return capabilities
end
"""

GHOST = """
local namespace = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
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


class Session:
    """One Neovim on one file, with what the cases do over and over."""

    def __init__(self, arguments, project, name, before=""):
        init = project.folder / "init.lua"
        init.write_text(before + INIT % (str(common.REPOSITORY / "editors" / "neovim"), arguments.ghostline))
        argv = [arguments.editor, "--embed", "--clean", "-u", str(init), name]
        self.neovim = Neovim(argv, project.env, project.work)
        self.text, self.line = common.SAMPLES[name]
        self.times = []
        self.asked = 0
        self.pressed_at = 0.0
        self.neovim.wait_until(lambda n: n.lua("return #vim.lsp.get_clients({ name = 'ghostline' })") == 1, PATIENCE)
        # The indentation is part of what is typed.
        self.neovim.call("nvim_command", "setlocal noautoindent indentexpr= nocindent")

    def buffer(self):
        return "\n".join(self.neovim.lua("return vim.api.nvim_buf_get_lines(0, 0, -1, true)"))

    def ghost(self):
        """The ghost text as Neovim holds it: whole, even where the window cuts it off."""
        return self.neovim.lua(GHOST)

    def press(self, keys):
        """Types `keys`, in Neovim's notation, and remembers when, and how often Neovim had asked by then."""
        self.asked = self.neovim.lua("return vim.g.asked")
        self.pressed_at = self.neovim.press(keys)

    def press_char(self, char):
        self.press({" ": "<Space>", "<": "<lt>"}.get(char, char))

    def settle(self):
        """Waits until Neovim has asked for the last key pressed, has its answer and has painted it.

        Ghost text painted no sooner than Neovim asks is the answer's, and one measurement; sooner,
        it is the old text with the typed character cut off.
        """
        counts = "return { vim.g.asked, vim.g.answered }"

        def is_answered(neovim):
            asked, answered = neovim.lua(counts)
            return asked > self.asked and answered >= asked

        assert self.neovim.wait_until(is_answered, PATIENCE), f"no request or no answer\n{self.neovim.screen()}"
        # The answer is drawn by the event after the one that counted it.
        self.neovim.wait_until(lambda n: n.ghost.split("\n")[0] == self.ghost().split("\n")[0], 1)
        took = self.neovim.ghost_painted_at - self.pressed_at
        if self.neovim.ghost and took >= NEOVIM_DELAY:
            self.times.append(took)

    def start_over(self):
        """The file as it was, the cursor in insert mode on an empty last line."""
        self.neovim.press("<Esc>")
        self.neovim.wait_until(lambda n: n.lua("return vim.fn.mode()") == "n", PATIENCE)
        self.neovim.lua("local l = vim.split(..., '\\n'); vim.api.nvim_buf_set_lines(0, 0, -1, true, l); vim.api.nvim_win_set_cursor(0, { #l, 0 })", self.text)
        self.press("A")

    def type_until_ghost(self, at_least=3):
        """Types the sample line key by key until ghost text stands there; the ghost text.

        Each key waits for its answer, as a person does who looks at what is offered.
        """
        indentation = len(self.line) - len(self.line.lstrip())
        for count, char in enumerate(self.line, 1):
            self.press_char(char)
            if count <= indentation:
                continue
            self.settle()
            ghost = self.ghost()
            # One character more than the cases type over.
            if count >= indentation + at_least and len(ghost.split("\n")[0]) > 2:
                return ghost
        raise AssertionError(f"no ghost text while typing {self.line!r}\n{self.neovim.screen()}")

    def expect_buffer(self, expected, what):
        self.neovim.wait_until(lambda n: self.buffer() == expected, 2)
        actual = self.buffer()
        assert actual == expected, f"{what}:\nexpected {expected!r}\nactual   {actual!r}"


def the_model_is_loaded_and_says_something(session):
    """The first requests come back empty while the model is being loaded."""
    deadline = time.monotonic() + 60
    while True:
        session.start_over()
        try:
            session.type_until_ghost()
            session.times.clear()
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def ghost_text_appears_and_the_key_accepts_it_exactly(session):
    session.start_over()
    ghost = session.type_until_ghost()
    painted = session.neovim.ghost
    assert painted, f"{ghost!r} is held but not painted"
    assert painted.split("\n")[0] == ghost.split("\n")[0], f"painted {painted!r}, held {ghost!r}"
    before = session.buffer()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted with Tab")


def one_undo_takes_back_the_accepted_text_alone(session):
    session.start_over()
    session.type_until_ghost()
    before = session.buffer()
    session.neovim.press("<Tab>")
    session.neovim.wait_until(lambda n: session.buffer() != before, 2)
    session.neovim.press("<Esc>u")
    session.expect_buffer(before, "accepted and undone")


def typing_the_ghost_text_leaves_the_rest_of_it(session):
    session.start_over()
    ghost = session.type_until_ghost()
    for count in (1, 2):
        session.press_char(ghost[count - 1])
        rest = ghost[count:]
        session.settle()
        assert session.ghost() == rest, f"after typing {ghost[:count]!r} of {ghost!r}: {session.ghost()!r}"


def accepting_right_after_a_key_leaves_nothing_behind(session):
    session.start_over()
    ghost = session.type_until_ghost()
    before = session.buffer()
    typed = ghost[0]
    session.neovim.press({" ": "<Space>", "<": "<lt>"}.get(typed, typed) + "<Tab>")
    session.expect_buffer(before + ghost, f"typed {typed!r} and Tab at once")


def another_character_dismisses_the_ghost_text(session):
    session.start_over()
    ghost = session.type_until_ghost()
    typed = "z" if ghost[0] != "z" else "q"
    session.press_char(typed)
    session.settle()
    assert session.ghost() != ghost[1:], f"{ghost!r} still stands after {typed!r}"


def what_is_no_longer_true_is_not_accepted(session):
    session.start_over()
    ghost = session.type_until_ghost()
    before = session.buffer()
    typed = "z" if ghost[0] != "z" else "q"
    session.neovim.press(typed + "<Tab>")
    session.neovim.wait_until(lambda n: session.buffer() not in (before, before + typed), 2)
    after = session.buffer()
    blank = after.removeprefix(before + typed)
    assert after.startswith(before + typed) and blank and not blank.strip(), f"the stale {ghost!r} was accepted: {after!r}"


def leaving_insert_mode_clears_the_ghost_text(session):
    session.start_over()
    session.type_until_ghost()
    session.neovim.press("<Esc>")
    session.neovim.wait_until(lambda n: not n.ghost, 2)
    assert session.neovim.ghost == "", session.neovim.screen()


def tab_is_a_tab_where_there_is_no_ghost_text(session):
    session.start_over()
    session.neovim.lua("vim.lsp.inline_completion.enable(false)")
    session.neovim.press("x<Tab>y")
    session.neovim.wait_until(lambda n: session.buffer().endswith("y"), 2)
    session.neovim.lua("vim.lsp.inline_completion.enable(true)")
    last = session.buffer().split("\n")[-1]
    assert last.startswith("x") and last.endswith("y") and not last[1:-1].strip() and len(last) > 2, repr(last)


def the_server_has_the_same_text_after_all_that(session):
    server = session.neovim.lua(SERVER_TEXT)
    # The buffer's last line has an end in the file, so also in what Neovim sends.
    assert server.removesuffix("\n") == session.buffer().removesuffix("\n"), f"server {server!r}\nbuffer {session.buffer()!r}"


def without_inline_completion_the_text_comes_by_omni_completion(session):
    """The only case of the old Neovim: asks by hand until the model is there."""
    typed = session.line[: len(session.line) - len(session.line.lstrip()) + 3]
    deadline = time.monotonic() + 60
    while True:
        session.start_over()
        session.neovim.press(typed.replace(" ", "<Space>"))
        session.expect_buffer(session.text + typed, "typed")
        session.neovim.press("<C-x><C-o>")
        items = session.neovim.wait_until(lambda n: n.lua("return vim.fn.complete_info({ 'items' }).items"), 1)
        if items or time.monotonic() > deadline:
            break
    assert items, f"no item\n{session.neovim.screen()}"
    session.neovim.press("<C-y>")
    session.neovim.wait_until(lambda n: session.buffer() != session.text + typed, 2)
    after = session.buffer()
    assert after.startswith(session.text + typed) and len(after) > len(session.text + typed), repr(after)
    errors = session.neovim.lua("return vim.v.errmsg")
    assert not errors, errors


CASES = [
    ghost_text_appears_and_the_key_accepts_it_exactly,
    one_undo_takes_back_the_accepted_text_alone,
    typing_the_ghost_text_leaves_the_rest_of_it,
    accepting_right_after_a_key_leaves_nothing_behind,
    another_character_dismisses_the_ghost_text,
    what_is_no_longer_true_is_not_accepted,
    leaving_insert_mode_clears_the_ghost_text,
    tab_is_a_tab_where_there_is_no_ghost_text,
    the_server_has_the_same_text_after_all_that,
]


def run(arguments, project, name):
    report = []
    label = f"neovim {name}"
    before = common.servers(arguments.ghostline)
    session = Session(arguments, project, name)
    try:
        failed = common.attempt(the_model_is_loaded_and_says_something, session, label)
        if not failed:
            failed = sum(common.attempt(case, session, label) for case in CASES)
            session.start_over()
            session.type_until_ghost()
            report.append(session.neovim.screen())
    finally:
        ended = session.neovim.quit()
    failed += common.expect_no_process_left(label, arguments.ghostline, before, ended)
    line = f"{name}: key press to painted ghost text, {1000 * NEOVIM_DELAY:.0f} ms of it Neovim's own wait: {common.summary(session.times)}"
    print(f"      neovim {line}")
    (arguments.report / f"neovim-{name}.txt").write_text("\n\n".join([line, *report]) + "\n")
    return failed


def run_old(arguments, project, name):
    session = Session(arguments, project, name, OLD)
    try:
        return common.attempt(without_inline_completion_the_text_comes_by_omni_completion, session, f"neovim {name}")
    finally:
        session.neovim.quit()


def main():
    arguments = common.arguments("Neovim")
    failed = 0
    for name in common.SAMPLES:
        with common.Project(arguments.report) as project:
            failed += run(arguments, project, name)
    with common.Project(arguments.report) as project:
        failed += run_old(arguments, project, next(iter(common.SAMPLES)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
