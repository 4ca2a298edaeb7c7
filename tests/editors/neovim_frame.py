"""Cases of the module's own ghost text, with the real server behind it."""

import neovim_native as native
from neovim_session import another, typed


def accepting_a_word_at_a_time_ends_with_the_whole(session):
    ghost, before = session.begin()
    left = ghost
    for _ in range(20):
        session.neovim.press("<M-Right>")
        session.wait(lambda: session.buffer() != before + ghost[: len(ghost) - len(left)], "no word accepted")
        accepted = session.buffer().removeprefix(before)
        assert ghost.startswith(accepted), f"{accepted!r} is not of {ghost!r}"
        left = ghost[len(accepted) :]
        assert len(accepted.split()) <= len(ghost.split()), accepted
        if not left:
            return
        session.wait(lambda: session.ghost().startswith(left), lambda: f"the rest {left!r} is not shown: {session.ghost()!r}")
    raise AssertionError(f"{left!r} of {ghost!r} is still to come")


def accepting_a_line_takes_the_first_line(session):
    ghost, before = session.begin()
    session.neovim.press("<M-C-Right>")
    session.expect_buffer(before + ghost.split("\n")[0], "accepted a line")


def each_accepted_part_is_an_undo_step_and_so_is_what_is_typed_behind(session):
    ghost, before = session.begin()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted")
    session.neovim.press("typed<Esc>")
    session.expect_buffer(before + ghost + "typed", "typed behind it")
    session.neovim.press("u")
    session.expect_buffer(before + ghost, "undone once")
    session.neovim.press("u")
    session.expect_buffer(before, "undone twice")
    session.neovim.press("<C-r>")
    session.expect_buffer(before + ghost, "redone")


def a_dot_repeats_the_accepted_text_with_what_was_typed(session):
    session.start_over(session.text + "\n\n")
    session.neovim.press("<Esc>kA")
    session.wait(lambda: session.mode() == "i", "not in insert mode")
    ghost = session.type_until_ghost()
    session.neovim.press("<Tab>")
    before = session.lua("return vim.api.nvim_get_current_line()")
    session.neovim.press("<Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    inserted = session.lua("return vim.api.nvim_get_current_line()")
    lines = inserted if "\n" not in ghost else None
    session.neovim.press("G.")
    if lines:
        session.wait(lambda: session.buffer().split("\n")[-1] == inserted, lambda: f"{before!r} was not repeated: {session.buffer()[-80:]!r}")


def typing_along_is_drawn_without_waiting_for_an_answer(session):
    """The server is stopped: what is drawn is the module's own doing."""
    ghost, _ = session.begin()
    session.lua("vim.lsp.get_clients({ name = 'ghostline' })[1].rpc.request = function() return true, 999999 end")
    session.neovim.press(typed(ghost[:2]))
    session.expect_ghost(ghost[2:], "typed along without a server")
    session.neovim.press(another(ghost[2]))
    session.expect_no_ghost("typed something else without a server")
    session.lua("vim.lsp.get_clients({ name = 'ghostline' })[1].rpc.request = nil")


def dismissed_text_does_not_come_back_while_it_would_be_the_same(session):
    ghost, before = session.begin()
    session.neovim.press("<C-]>")
    session.expect_no_ghost("dismissed")
    session.expect_buffer(before, "dismissing changes nothing")
    session.press_char(ghost[0])
    session.settle()
    assert session.ghost() != ghost[1:], f"{ghost!r} came back"


def tab_is_a_tab_where_there_is_no_ghost_text(session):
    session.start_over()
    session.neovim.call("nvim_command", "Ghostline disable buffer")
    session.neovim.press("x<Tab>y")
    session.wait(lambda: session.buffer().endswith("y"), "nothing typed")
    last = session.buffer().split("\n")[-1]
    assert last.startswith("x") and last.endswith("y") and not last[1:-1].strip() and len(last) > 2, repr(last)
    session.neovim.call("nvim_command", "Ghostline enable buffer")


def nothing_is_suggested_while_a_macro_is_recorded(session):
    session.start_over()
    session.neovim.press("<Esc>qqA")
    session.wait(lambda: session.mode() == "i", "not in insert mode")
    asked = session.lua("return vim.g.asked")
    session.neovim.press(typed(session.line[:-2]))
    session.wait(lambda: session.buffer().endswith(session.line[:-2]), "not typed")
    assert session.lua("return vim.g.asked") == asked and not session.ghost(), "asked while recording"
    session.neovim.press("<Esc>q")
    session.wait(lambda: session.lua("return vim.fn.reg_recording()") == "", "still recording")


def a_menu_hides_the_ghost_text_if_so_configured(session):
    session.lua("require('ghostline.frame').hide_in_menu = true")
    ghost, before = session.begin()
    session.lua("vim.fn.complete(vim.fn.col('.'), { 'alpha', 'beta' })")
    session.wait(lambda: session.lua("return vim.fn.pumvisible()") == 1, "no menu")
    session.expect_no_ghost("the menu is open")
    session.neovim.press("<C-e>")
    session.expect_buffer(before, "menu closed")
    session.expect_ghost(ghost, "the menu is closed again")
    session.lua("require('ghostline.frame').hide_in_menu = false")


def accepting_with_the_menu_open_leaves_the_text_whole(session):
    ghost, before = session.begin()
    session.lua("vim.fn.feedkeys(vim.keycode('<C-x><C-n>'), 'n')")
    session.wait(lambda: session.lua("return vim.fn.pumvisible()") == 1 or session.buffer() != before, "no menu")
    session.neovim.press("<C-e>")
    session.expect_buffer(before, "menu closed")
    session.lua("vim.o.completeopt = 'menuone,noinsert,noselect'; vim.fn.complete(vim.fn.col('.'), { 'alpha', 'beta' })")
    session.wait(lambda: session.lua("return vim.fn.pumvisible()") == 1, "no menu")
    session.expect_ghost(ghost, "beside the menu")
    session.neovim.press("<Tab>!")
    session.expect_buffer(before + ghost + "!", "accepted beside the menu, and typed on")
    session.lua("vim.o.completeopt = 'menu,popup'")


def it_is_asked_with_every_key(session):
    session.start_over()
    asked = session.lua("return vim.g.asked")
    for count, char in enumerate(session.line, 1):
        session.neovim.press(typed(char))
        session.wait(lambda: session.lua("return vim.g.asked") >= asked + count, f"not asked after {count} keys")


def time_to_ghost_text(session):
    """Types the line a few times key by key, for the report."""
    for _ in range(4):
        session.start_over()
        for char in session.line:
            session.press_char(char)
            session.settle()


CASES = [
    native.ghost_text_appears_and_the_key_accepts_it_exactly,
    native.one_undo_takes_back_the_accepted_text_alone,
    native.typing_the_ghost_text_leaves_the_rest_of_it,
    native.accepting_right_after_a_key_leaves_nothing_behind,
    native.another_character_dismisses_the_ghost_text,
    native.an_answer_without_text_takes_the_old_ghost_text_away,
    native.what_is_no_longer_true_is_not_accepted,
    native.leaving_insert_mode_clears_the_ghost_text,
    native.switching_off_and_on_by_command,
    accepting_a_word_at_a_time_ends_with_the_whole,
    accepting_a_line_takes_the_first_line,
    each_accepted_part_is_an_undo_step_and_so_is_what_is_typed_behind,
    a_dot_repeats_the_accepted_text_with_what_was_typed,
    dismissed_text_does_not_come_back_while_it_would_be_the_same,
    tab_is_a_tab_where_there_is_no_ghost_text,
    native.block_insert_puts_the_accepted_text_into_every_line,
    nothing_is_suggested_while_a_macro_is_recorded,
    a_menu_hides_the_ghost_text_if_so_configured,
    accepting_with_the_menu_open_leaves_the_text_whole,
    it_is_asked_with_every_key,
    time_to_ghost_text,
    native.the_server_has_the_same_text_after_all_that,
]
