"""Cases of Neovim's own inline completion, with the files of `editors/neovim` for its keys."""

import time

from neovim_session import SERVER_TEXT, another, typed

# Two requests at once, the text changed in between: who is answered with how many items, in the order of the answers.
# Neovim itself drops the answer of a cancelled request, so there may be one only.
TWO_REQUESTS = """
local client = vim.lsp.get_clients({ name = 'ghostline' })[1]
local buf, order = vim.api.nvim_get_current_buf(), {}
local function ask(name)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = { line = cursor[1] - 1, character = #vim.api.nvim_get_current_line() },
    context = { triggerKind = 2 },
  }
  client:request('textDocument/inlineCompletion', params, function(_, result)
    table.insert(order, { name = name, items = result and #(result.items or {}) or 0 })
  end, buf)
end
ask('older')
vim.api.nvim_buf_set_text(buf, -1, -1, -1, -1, { ... })
ask('newer')
vim.wait(10000, function() return #order > 0 and order[#order].name == 'newer' and not next(client.requests) end, 5)
-- A handler runs after its request has left that list.
vim.wait(50)
return order
"""

SILENCE = """
local client = vim.lsp.get_clients({ name = 'ghostline' })[1]
client:notify('workspace/didChangeConfiguration', { settings = { ghostline = ... } })
"""


def ghost_text_appears_and_the_key_accepts_it_exactly(session):
    ghost, before = session.begin()
    painted = session.neovim.ghost
    assert painted, f"{ghost!r} is held but not painted"
    assert painted.split("\n")[0] == ghost.split("\n")[0], f"painted {painted!r}, held {ghost!r}"
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted with Tab")


def one_undo_takes_back_the_accepted_text_alone(session):
    _, before = session.begin()
    session.neovim.press("<Tab>")
    session.wait(lambda: session.buffer() != before, "nothing accepted")
    session.neovim.press("<Esc>u")
    session.expect_buffer(before, "accepted and undone")


def typing_the_ghost_text_leaves_the_rest_of_it(session):
    ghost, _ = session.begin()
    for count in (1, 2):
        session.press_char(ghost[count - 1])
        session.settle()
        session.expect_ghost(ghost[count:], f"after typing {ghost[:count]!r} of {ghost!r}")


def accepting_right_after_a_key_leaves_nothing_behind(session):
    """neovim/neovim#36529."""
    ghost, before = session.begin()
    session.neovim.press(typed(ghost[0]) + "<Tab>")
    session.expect_buffer(before + ghost, f"typed {ghost[0]!r} and Tab at once")


def another_character_dismisses_the_ghost_text(session):
    ghost, _ = session.begin()
    session.press_char(another(ghost[0]))
    session.settle()
    assert session.ghost() != ghost[1:], f"{ghost!r} still stands after another character"


def an_answer_without_text_takes_the_old_ghost_text_away(session):
    """Neovim leaves it standing for `null`."""
    ghost, _ = session.begin()
    session.lua(SILENCE, {"languages": {"disabled": ["rust", "python"]}})
    session.press_char(ghost[0])
    session.settle()
    session.expect_no_ghost("nothing is suggested any more")
    session.lua(SILENCE, {"languages": {"disabled": []}})


def a_late_answer_does_not_replace_a_newer_one(session):
    """Neovim shows whatever comes last."""
    session.start_over()
    # Where Neovim does not ask by itself.
    session.neovim.press("<Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    for _ in range(3):
        order = session.lua(TWO_REQUESTS, "x")
        names = [answer["name"] for answer in order]
        assert names in (["newer"], ["older", "newer"]), f"the older request was answered last: {order}"


def what_is_no_longer_true_is_not_accepted(session):
    ghost, before = session.begin()
    char = another(ghost[0])
    session.neovim.press(char + "<Tab>")
    session.wait(lambda: session.buffer() not in (before, before + char), "Tab did nothing")
    after = session.buffer()
    blank = after.removeprefix(before + char)
    assert after.startswith(before + char) and blank and not blank.strip(), f"the stale {ghost!r} was accepted: {after!r}"


def leaving_insert_mode_clears_the_ghost_text(session):
    session.begin()
    session.neovim.press("<Esc>")
    session.expect_no_ghost("in normal mode")


def tab_is_a_tab_where_there_is_no_ghost_text(session):
    session.start_over()
    session.lua("vim.lsp.inline_completion.enable(false)")
    session.neovim.press("x<Tab>y")
    session.wait(lambda: session.buffer().endswith("y"), "nothing typed")
    session.lua("vim.lsp.inline_completion.enable(true)")
    last = session.buffer().split("\n")[-1]
    assert last.startswith("x") and last.endswith("y") and not last[1:-1].strip() and len(last) > 2, repr(last)


def block_insert_puts_the_accepted_text_into_every_line(session):
    session.start_over(session.text + "\n\n\n")
    session.neovim.press("<Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    session.lua("vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(0) - 2, 0 })")
    session.neovim.press("<C-v>jj0A")
    session.wait(lambda: session.mode() == "i", "not in insert mode")
    ghost = session.type_until_ghost()
    before = session.lua("return vim.api.nvim_get_current_line()")
    row = session.lua("return vim.api.nvim_win_get_cursor(0)[1]")
    session.neovim.press("<Tab>")
    first = before + ghost.split("\n")[0]
    session.wait(lambda: session.lua("return vim.fn.getline(...)", row) == first, "nothing accepted")
    session.neovim.press("<Esc>")
    # Vim repeats what was inserted into one line only.
    if "\n" not in ghost:
        session.wait(lambda: session.buffer().split("\n")[-3:] == [first] * 3, lambda: f"{session.buffer()[-150:]!r}")


def switching_off_and_on_by_command(session):
    session.begin()
    session.neovim.call("nvim_command", "Ghostline disable")
    session.expect_no_ghost("switched off")
    assert session.lua("return require('ghostline').status().state") == "off"
    session.neovim.call("nvim_command", "Ghostline enable")
    session.begin()


def the_server_has_the_same_text_after_all_that(session):
    server = session.lua(SERVER_TEXT)
    # The buffer's last line has an end in the file, so also in what Neovim sends.
    assert server.removesuffix("\n") == session.buffer().removesuffix("\n"), f"server {server!r}\nbuffer {session.buffer()!r}"


CASES = [
    ghost_text_appears_and_the_key_accepts_it_exactly,
    one_undo_takes_back_the_accepted_text_alone,
    typing_the_ghost_text_leaves_the_rest_of_it,
    accepting_right_after_a_key_leaves_nothing_behind,
    another_character_dismisses_the_ghost_text,
    an_answer_without_text_takes_the_old_ghost_text_away,
    a_late_answer_does_not_replace_a_newer_one,
    what_is_no_longer_true_is_not_accepted,
    leaving_insert_mode_clears_the_ghost_text,
    tab_is_a_tab_where_there_is_no_ghost_text,
    block_insert_puts_the_accepted_text_into_every_line,
    switching_off_and_on_by_command,
    the_server_has_the_same_text_after_all_that,
]


def the_text_comes_by_omni_completion(session):
    """The only case of the old Neovim without the module: asks by hand until the model is there."""
    keys = session.line[: len(session.line) - len(session.line.lstrip()) + 3]
    deadline = time.monotonic() + 60
    while True:
        session.start_over()
        session.neovim.press(typed(keys))
        session.expect_buffer(session.text + keys, "typed")
        session.neovim.press("<C-x><C-o>")
        items = session.neovim.wait_until(lambda n: n.lua("return vim.fn.complete_info({ 'items' }).items"), 1)
        if items or time.monotonic() > deadline:
            break
    assert items, f"no item\n{session.neovim.screen()}"
    session.neovim.press("<C-y>")
    session.wait(lambda: session.buffer() != session.text + keys, "nothing accepted")
    after = session.buffer()
    assert after.startswith(session.text + keys) and len(after) > len(session.text + keys), repr(after)
    session.expect_no_errors()
