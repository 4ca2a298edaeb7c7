"""Cases of the module with a server that says what the case wants: what is drawn, what is sent, what is left alone.

The screen is asserted as a whole: what stands there before accepting is what stands there after it.
"""

import random

import common
from neovim_session import Session, Way, another, typed

SCRIPT = (common.REPOSITORY / "tests" / "editors" / "neovim_script.lua").read_text()

# Names that the files of the other cases have no use for.
NAME = "scripted.txt"


def way(options="", before=""):
    return Way("own", f"{before}\n{SCRIPT}\nrequire('ghostline').setup({{ {options} }})\n", "ghostline")


def open_session(arguments, project, options="", before="", text="", first_keys=""):
    (project.work / NAME).write_text(text)
    session = Session(arguments.ghostline, arguments.editor, project, NAME, way(options, before), text=text, first_keys=first_keys)
    session.lua("vim.wo.cursorline = false; vim.o.showmode = false; vim.o.ruler = false; vim.o.laststatus = 0")
    return session


def offer(session, prefix, texts, tail="", replaced=0, above=(), identifier=None):
    """Ghost text behind `prefix` on the last line, in front of `tail`; `above` are the lines before it."""
    session.neovim.press("<Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    session.offered = getattr(session, "offered", 0) + 1
    session.lua(
        """
        local prefix, texts, tail, replaced, above, id = ...
        script.prefix, script.texts, script.replaced, script.id = prefix, texts, replaced, id
        local lines = vim.list_extend(above, { prefix .. tail })
        vim.api.nvim_buf_set_lines(0, 0, -1, true, lines)
        vim.api.nvim_win_set_cursor(0, { #lines, #prefix })
        vim.cmd.startinsert({ bang = tail == '' })
        """,
        prefix, texts, tail, replaced, list(above), identifier or f"offer{session.offered}-",
    )  # fmt: skip
    session.wait(lambda: session.mode() == "i", "not in insert mode")


def offer_one(session, prefix, text, **more):
    offer(session, prefix, [text], **more)
    session.wait(lambda: session.neovim.ghost, f"no ghost text behind {prefix!r}")


def sent(session, method):
    return session.lua("return script.last(...)", method)


def count(session, method):
    return session.lua("return script.count(...)", method)


# Prefix, text, what stands right of the cursor, how much of it is replaced.
PICTURES = [
    ("let a = ", "b;", "", 0),
    ("call(", "a, b", ")", 0),
    ("call(", "a, b);", ")", 1),
    ("call([", "a], b);", "])", 2),
    ("if x ", "{\n    y();\n}", "", 0),
    ("call(", "\n    a,\n    b,\n", ");", 0),
    ("call(", "\n    a,\n);", ")", 1),
    ("fn f() ", "{\n\tg();\n\t\th();\n}", "", 0),
    ("a\t", "b\tc\t\td", "", 0),
    ("é漢字😀 = ", '"日本語 👩\u200d💻";', "", 0),
    ('漢("', '字😀", 1);', '")', 2),
    ("\t漢 ", "{\n\t字\n}", "x", 0),
    ("x" * 150, "a long text that goes on beyond the end of the screen's line", "", 0),
]


def more_pictures():
    """Others, put together by chance, the same each time."""
    chance = random.Random(4)
    pieces = ["a", "xy", " ", "  ", "\t", "(", ")", "]", '"', "漢", "é", "😀", "👩\u200d💻", "\n"]

    def some(count):
        return "".join(chance.choices(pieces, k=chance.randint(1, count)))

    for _ in range(40):
        tail = "".join(chance.choices(')]"', k=chance.randint(0, 2))) + some(2).replace("\n", "") * chance.randint(0, 1)
        closers = len(tail) - len(tail.lstrip(')]"'))
        # Ends with a letter, so that it is seen where it ends.
        yield some(6).replace("\n", ""), some(8) + "z", tail, chance.randint(0, closers)


def the_screen_shows_what_accepting_makes(session):
    session.lua("vim.o.expandtab = false; vim.o.tabstop = 8; vim.g.loaded_matchparen = 1")
    for prefix, text, tail, replaced in [*PICTURES, *more_pictures()]:
        offer_one(session, prefix, text, tail=tail, replaced=replaced, above=["above"])
        before = session.neovim.screen()
        session.neovim.press("<Tab>")
        session.expect_buffer("above\n" + prefix + text + tail[replaced:], f"{prefix!r} + {text!r} + {tail!r}")
        session.expect_no_ghost("accepted")
        session.wait(lambda: session.neovim.screen() == before, lambda: f"{prefix!r} + {text!r} + {tail!r} was painted as\n{before}", 5)
        row, column = session.lua("return vim.api.nvim_win_get_cursor(0)")
        lines = text.split("\n")
        end = (prefix if len(lines) == 1 else "") + lines[-1]
        assert (row, column) == (1 + len(lines), len(end.encode())), f"the cursor is at {row}, {column}"


def typing_along_moves_the_ghost_text_on_also_over_lines(session):
    session.lua("script.is_held = false")
    text = "漢{\n    y\n}"
    offer_one(session, "x ", text)
    session.lua("script.is_held = true")
    for count_typed, char in enumerate(text[:3], 1):
        session.neovim.press(typed(char))
        session.wait(lambda: session.ghost().lstrip() == text[count_typed:].lstrip(), lambda: f"after {text[:count_typed]!r}: {session.ghost()!r}")
    session.neovim.press(another("y"))
    session.expect_no_ghost("something else was typed")
    session.lua("script.is_held = false; script.release()")


def late_answers_are_dropped(session):
    offer_one(session, "x ", "abc")
    session.lua("script.is_held = true; script.texts = { 'old' }; script.prefix = 'x q'")
    session.neovim.press("q")
    session.wait(lambda: session.lua("return #script.held") > 0, "not asked")
    session.lua("script.is_held = false; script.prefix = 'x qr'; script.texts = { 'new' }")
    session.neovim.press("r")
    session.expect_ghost("new", "the newer answer")
    session.lua("script.release()")
    session.lua("vim.wait(50)")
    session.expect_ghost("new", "the older answer came last")


def null_takes_the_ghost_text_away(session):
    offer_one(session, "x ", "abc")
    session.lua("script.texts = vim.NIL")
    session.neovim.press("a")
    session.expect_no_ghost("null was answered")


def going_through_suggestions_and_asking_by_hand(session):
    offer(session, "x ", ["one", "two"])
    session.expect_ghost("one", "the first")
    for key, expected in (("<M-n>", "two"), ("<M-n>", "one"), ("<M-p>", "two")):
        session.neovim.press(key)
        session.expect_ghost(expected, f"after {key}")
    session.neovim.press("<Tab>")
    session.expect_buffer("x two", "the second was accepted")
    assert sent(session, "workspace/executeCommand")["arguments"] == [f"offer{session.offered}-2"]
    session.neovim.press("<M-\\>")
    session.wait(lambda: sent(session, "textDocument/inlineCompletion")["context"]["triggerKind"] == 1, "not asked by hand")


def the_server_learns_what_became_of_a_suggestion(session):
    offer_one(session, "x ", "😀漢 = 1")
    shown = count(session, "textDocument/didShowCompletion")
    assert sent(session, "textDocument/didShowCompletion")["item"]["command"]["arguments"] == [f"offer{session.offered}-1"]
    session.neovim.press("<M-Right>")
    method = "textDocument/didPartiallyAcceptCompletion"
    session.wait(lambda: sent(session, method) is not None, "not told")
    # The emoji is a word, and two UTF-16 code units.
    assert sent(session, method)["acceptedLength"] == 2, sent(session, method)
    session.expect_buffer("x 😀", "a word accepted")
    assert count(session, "textDocument/didShowCompletion") == shown, "the same suggestion was shown twice"
    session.wait(lambda: session.ghost() == "漢 = 1", "the rest is not shown")
    session.neovim.press("<C-]>")
    session.wait(lambda: sent(session, "ghostline/didDismiss") is not None, "not told")
    session.expect_no_ghost("dismissed")
    session.neovim.press("漢")
    session.expect_buffer("x 😀漢", "typed on")
    session.lua("vim.wait(50)")
    session.expect_no_ghost("dismissed, and still the same")
    accepted = count(session, "workspace/executeCommand")
    assert accepted == session.lua("return script.count('workspace/executeCommand')")


def the_server_learns_where_the_user_is(session):
    offer_one(session, "x ", "abc", above=["one", "two"])
    session.neovim.press("<Esc>gg")
    session.wait(lambda: (sent(session, "ghostline/didChangeSelection") or {}).get("position", {}).get("line") == 0, "not told of the cursor")
    uri = session.lua("return vim.uri_from_bufnr(0)")
    assert sent(session, "textDocument/didFocus")["textDocument"]["uri"] == uri
    session.neovim.call("nvim_command", "vnew second.txt | setlocal filetype=text")
    session.wait(lambda: (sent(session, "textDocument/didFocus")["textDocument"]["uri"] or "").endswith("second.txt"), "not told of the focus")
    visible = [document["uri"] for document in sent(session, "ghostline/didChangeVisible")["textDocuments"]]
    assert visible[0].endswith("second.txt") and visible[1:] == [uri], visible
    session.neovim.call("nvim_command", "bwipeout!")
    session.wait(lambda: sent(session, "textDocument/didFocus")["textDocument"]["uri"] == uri, "not told of the way back")


def ghost_text_stands_in_the_window_that_is_typed_in(session):
    session.neovim.press("<Esc>")
    session.neovim.call("nvim_command", "split")
    offer_one(session, "x ", "abc")
    assert session.neovim.ghost == "abc", f"ghost text in both windows: {session.neovim.ghost!r}"
    session.neovim.press("<Tab>")
    session.expect_buffer("x abc", "accepted with two windows on the buffer")
    session.neovim.press("<Esc>")
    session.neovim.call("nvim_command", "only")


def places_without_ghost_text_are_not_asked_about(session):
    offer_one(session, "x ", "abc")
    session.neovim.press("<Esc>")
    session.expect_no_ghost("in normal mode")
    asked = count(session, "textDocument/inlineCompletion")
    session.neovim.press("Rzz<Esc>")
    session.wait(lambda: session.buffer() == "xzz", lambda: f"not replaced: {session.buffer()!r}")
    session.lua("vim.wo.virtualedit = 'all'")
    session.neovim.press("20li<C-o>")
    session.neovim.press("<Esc><Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    session.lua("vim.wo.virtualedit = ''; vim.bo.modifiable = false")
    session.neovim.press("i<Esc>")
    session.lua("vim.bo.modifiable = true; vim.v.errmsg = ''")
    assert count(session, "textDocument/inlineCompletion") == asked, sent(session, "textDocument/inlineCompletion")


def commands_in_insert_mode_leave_no_ghost_text_behind(session):
    offer_one(session, "x ", "abc", above=["one", "two"])
    session.neovim.press("<C-o>dd")
    session.expect_buffer("one\ntwo", "the line deleted")
    session.expect_no_ghost("where it stood is no more")
    assert not session.lua("return require('ghostline').visible()")


CASES = [
    the_screen_shows_what_accepting_makes,
    typing_along_moves_the_ghost_text_on_also_over_lines,
    late_answers_are_dropped,
    null_takes_the_ghost_text_away,
    going_through_suggestions_and_asking_by_hand,
    the_server_learns_what_became_of_a_suggestion,
    the_server_learns_where_the_user_is,
    ghost_text_stands_in_the_window_that_is_typed_in,
    places_without_ghost_text_are_not_asked_about,
    commands_in_insert_mode_leave_no_ghost_text_behind,
]


def run(arguments, cases=CASES, options="", before="", label="neovim scripted"):
    """Runs `cases` in one Neovim; the number of failures."""
    with common.Project(arguments.report) as project:
        session = open_session(arguments, project, options, before)
        try:
            failed = sum(common.attempt(case, session, label) for case in cases)
            return failed + common.attempt(Session.expect_no_errors, session, label)
        finally:
            session.neovim.quit()
