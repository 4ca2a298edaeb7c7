"""Cases of how the module is set up: options, keys that are taken, positions, the help file; nearly all without the
real server. Each starts a Neovim of its own."""

import shutil

import common
import neovim_scripted as scripted
from neovim_session import FRAME, MARKS, NATIVE, Session, Way

REPORT = "return vim.fn.maparg(..., 'i', false, true).desc or vim.fn.maparg(..., 'i')"


def with_session(check, options="", before="", text="", first_keys=""):
    """A case that runs `check(session)` in a Neovim with these options, after the Lua code `before`."""

    def case(arguments):
        with common.Project(arguments.report) as project:
            session = scripted.open_session(arguments, project, options, before, text, first_keys)
            try:
                check(session)
                session.expect_no_errors()
            finally:
                session.neovim.quit()

    case.__name__ = check.__name__
    return case


def taken_keys_stay_and_tab_does_both(session):
    scripted.offer(session, "x ", [])
    session.neovim.press("a<M-n><Tab>b")
    session.expect_buffer("x a[next]{tab}b", "keys of the user's")
    scripted.offer_one(session, "x ", "abc")
    session.neovim.press("<Tab><M-n>")
    session.expect_buffer("x abc[next]", "with ghost text Tab accepts, the other key is the user's")


def named_keys_are_taken_and_others_left_out(session):
    assert session.lua(REPORT, "<M-n>") == "ghostline: next suggestion"
    assert not session.lua(REPORT, "<Tab>").startswith("ghostline"), "keys.accept = <C-l>, so Tab is free"
    assert session.lua(REPORT, "<M-Right>") == "", "keys.accept_word = false"
    scripted.offer(session, "x ", [])
    session.neovim.press("<C-l>")
    session.expect_buffer("x [mine]", "where there is no ghost text the key is the user's")
    scripted.offer_one(session, "x ", "abc")
    session.neovim.press("<C-l>")
    session.expect_buffer("x abc", "where there is ghost text the key is ghostline's")


def buffer_mappings_of_before_keep_their_key(session):
    scripted.offer(session, "x ", [])
    session.neovim.press("<Tab>")
    session.expect_buffer("x <local>", "a mapping for the buffer")


def wrong_options_are_named(session):
    said = session.lua("return table.concat(_G.said, '\\n')")
    for expected in (
        "unknown option `hide_in_meno`; did you mean `hide_in_menu`?",
        "unknown key `acept`; did you mean `accept`?",
        "`enabled` must be true or false; it is 3",
        "`keys.next` must be a key",
        "unknown option `zzzzzzzzzzzz`; there are cmd, ",
    ):
        assert expected in said, f"{expected!r} is not in {said!r}"
    session.lua("_G.said = {}")
    scripted.offer_one(session, "x ", "abc")
    session.neovim.press("<Tab>")
    session.expect_buffer("x abc", "the other options hold")


def neovims_own_way_is_off(session):
    scripted.offer_one(session, "x ", "abc")
    session.lua("vim.wait(300)")
    assert session.lua(MARKS, "nvim.lsp.inline_completion") == "", "drawn twice"
    asked = scripted.count(session, "textDocument/inlineCompletion")
    session.neovim.press("a")
    session.expect_ghost("bc", "typed along")
    session.lua("vim.wait(300)")
    assert scripted.count(session, "textDocument/inlineCompletion") == asked + 1, "asked twice"


def other_servers_may_be_switched_on_later(session):
    scripted.offer_one(session, "x ", "abc")
    session.lua("vim.lsp.inline_completion.enable(true)")
    session.neovim.press("a")
    session.expect_ghost("bc", "typed along")
    session.lua("vim.wait(300)")
    assert session.lua(MARKS, "nvim.lsp.inline_completion") == "", "drawn twice"


def mappings_of_other_plugins_accept_too(session):
    for keys in ("<F5>", "<F6>", "<F7>"):
        scripted.offer_one(session, "x ", "abc")
        session.neovim.press(keys + "!")
        session.expect_buffer("x abc!", f"accepted by {keys}")
        session.neovim.press("<BS><BS><BS><BS>" + keys)
        session.expect_buffer("x fallback", f"no ghost text for {keys}")


def the_statusline_says_how_it_is(session):
    session.wait(lambda: session.lua("return require('ghostline').statusline()") == "ghostline 1.4 ms", "no latency")
    tell = """
        local client = vim.lsp.get_clients()[1]
        local report = vim.tbl_extend('keep', { remote = %s }, { state = 'ready', enabled = true, medianLatencyMs = 40.2 })
        client.handlers['ghostline/status'](nil, report, { client_id = client.id })
        return require('ghostline').statusline()
    """
    assert session.lua(tell % "{ textGoesTo = { 'gpu.example:8080' } }") == "ghostline → gpu.example:8080 40.2 ms"
    assert session.lua(tell % "{ textGoesTo = {}, message = 'declined' }") == "ghostline 40.2 ms"
    session.neovim.call("nvim_command", "Ghostline disable")
    assert session.lua("return require('ghostline.statusline')()") == "ghostline off"
    assert scripted.sent(session, "workspace/didChangeConfiguration")["settings"]["ghostline"]["completion"]["enabled"] is False
    session.lua(
        """
        local client = vim.lsp.get_clients()[1]
        local report = { state = 'loading', percent = 35, enabled = true, message = vim.NIL }
        client.handlers['ghostline/status'](nil, report, { client_id = client.id })
        """
    )
    session.neovim.call("nvim_command", "Ghostline enable")
    assert session.lua("return require('ghostline').statusline()") == "ghostline 35 %"


def positions_count_as_the_server_wants(session):
    scripted.offer_one(session, '漢😀("', 'é", 2);', tail='")', replaced=2)
    session.neovim.press("<Tab>")
    session.expect_buffer('漢😀("é", 2);', "accepted")


def the_help_file_has_tags(session):
    doc = common.REPOSITORY / "editors" / "neovim" / "doc"
    session.lua("vim.fn.mkdir('help/doc', 'p'); vim.uv.fs_copyfile(..., 'help/doc/ghostline.txt')", str(doc / "ghostline.txt"))
    session.neovim.call("nvim_command", "helptags help/doc")
    tags = session.lua("return table.concat(vim.fn.readfile('help/doc/tags'), '\\n')")
    for tag in ("ghostline", ":Ghostline", "ghostline.setup()", "ghostline-keys", "hl-GhostlineGhost"):
        assert f"{tag}\t" in tags, f"no tag {tag}"

def a_program_that_is_not_there_is_named(arguments):
    with common.Project(arguments.report) as project:
        way = Way("own", "require('ghostline').setup({ cmd = { 'no-such-program', 'lsp' } })", "ghostline")
        session = Session(arguments.ghostline, arguments.editor, project, "vector.rs", way, has_server=False)
        try:
            session.wait(session.said, "nothing said")
            assert session.said() == ["ghostline: no program `no-such-program` on PATH; see :checkhealth ghostline"]
            session.neovim.call("nvim_command", "checkhealth ghostline")
            session.wait(lambda: "Keys and other plugins" in session.buffer(), "no report")
            assert "`no-such-program` is not executable or not on PATH" in session.buffer(), session.buffer()
        finally:
            session.neovim.quit()


def setup_after_neovims_own_way_takes_over(arguments):
    with common.Project(arguments.report) as project:
        session = Session(arguments.ghostline, arguments.editor, project, "vector.rs", NATIVE)
        try:
            session.wait_for_model()
            session.lua("require('ghostline').setup({ cmd = { ..., 'lsp' } })", arguments.ghostline)
            session.way = FRAME
            ghost, before = session.begin()
            assert session.lua(MARKS, NATIVE.namespace) == "", "drawn twice"
            session.neovim.press("<M-C-Right>")
            session.expect_buffer(before + ghost.split("\n")[0], "accepted a line")
            session.expect_no_errors()
        finally:
            session.neovim.quit()


def the_server_file_works_alone(arguments):
    """Who copies only `lsp/ghostline.lua` has the rest from Neovim."""
    with common.Project(arguments.report) as project:
        folder = project.folder / "config" / "nvim" / "lsp"
        folder.mkdir(parents=True)
        shutil.copy(common.REPOSITORY / "editors" / "neovim" / "lsp" / "ghostline.lua", folder)
        alone = Way("alone", NATIVE.init + "vim.lsp.inline_completion.enable()\n", NATIVE.namespace, NATIVE.delay)
        forget = "vim.opt.runtimepath:remove(%r)\n" % str(common.REPOSITORY / "editors" / "neovim")
        alone.init = f"vim.opt.runtimepath:prepend({str(project.folder / 'config' / 'nvim')!r})\n" + forget + alone.init
        session = Session(arguments.ghostline, arguments.editor, project, "vector.rs", alone)
        try:
            session.wait_for_model()
            session.begin()
            session.expect_no_errors()
        finally:
            session.neovim.quit()


MAPPINGS = """
vim.keymap.set('i', '<M-n>', '[next]')
vim.keymap.set('i', '<Tab>', function() return '{tab}' end, { expr = true })
vim.keymap.set('i', '<C-l>', '[mine]')
"""

# As blink.cmp and nvim-cmp make theirs, and a plain one.
OTHERS = """
local function accept(otherwise)
  return function()
    if not require('ghostline').accept() then
      return otherwise()
    end
  end
end
local function feed()
  vim.api.nvim_feedkeys('fallback', 'n', false)
end
vim.keymap.set('i', '<F5>', accept(function() return 'fallback' end), { expr = true })
vim.keymap.set('i', '<F6>', accept(feed))
vim.keymap.set('i', '<F7>', function()
  vim.cmd('Ghostline accept')
  if not vim.endswith(vim.api.nvim_get_current_line(), 'abc') then
    feed()
  end
end)
"""

LOCAL = """
vim.api.nvim_create_autocmd('BufReadPost', {
  callback = function(event)
    vim.api.nvim_buf_set_keymap(event.buf, 'i', '<Tab>', '<lt>local>', { noremap = true })
  end,
})
"""

WRONG = "hide_in_meno = true, zzzzzzzzzzzz = 1, enabled = 3, keys = { acept = '<C-l>', next = 4 }"

CASES = [
    with_session(taken_keys_stay_and_tab_does_both, before=MAPPINGS),
    with_session(
        named_keys_are_taken_and_others_left_out,
        "keys = { accept = '<C-l>', accept_word = false }",
        "vim.keymap.set('i', '<C-l>', '[mine]')",
    ),
    with_session(buffer_mappings_of_before_keep_their_key, before=LOCAL),
    # So much is wrong that Neovim asks for a key.
    with_session(wrong_options_are_named, WRONG, first_keys="<CR>"),
    with_session(neovims_own_way_is_off, before="vim.lsp.inline_completion.enable(true)"),
    with_session(other_servers_may_be_switched_on_later),
    with_session(mappings_of_other_plugins_accept_too, before=OTHERS),
    with_session(the_statusline_says_how_it_is),
    *(with_session(positions_count_as_the_server_wants, before=f"_G.encoding = '{encoding}'") for encoding in ("utf-8", "utf-16", "utf-32")),
    with_session(the_help_file_has_tags),
    a_program_that_is_not_there_is_named,
    setup_after_neovims_own_way_takes_over,
    the_server_file_works_alone,
]

