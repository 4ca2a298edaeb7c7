"""Cases of a server that goes and comes back, and of `:Ghostline`; the real server, both ways."""

import os
import signal
import time

import common
from neovim_session import PATIENCE


def killed(session):
    """Kills the server of this Neovim as a crash would; waits until Neovim has noticed."""
    id_before = session.lua("return vim.lsp.get_clients({ name = 'ghostline' })[1].id")
    children = session.lua("return vim.api.nvim_get_proc_children(vim.fn.getpid())")
    servers = common.servers(session.program) & set(children)
    assert len(servers) == 1, f"{servers} of {children}"
    os.kill(servers.pop(), signal.SIGKILL)
    session.wait(lambda: session.lua("return vim.lsp.get_client_by_id(...) == nil", id_before), "the client is still there")
    # What it had not answered it never will.
    session.lua("vim.g.asked, vim.g.answered = 0, 0")


def attached(session):
    session.wait(lambda: session.clients() == 1, "no server attached")


def ready(session):
    session.wait(lambda: session.lua("return require('ghostline').status().state") == "ready", "not ready", 60)


def a_killed_server_comes_back_by_itself(session):
    session.begin()
    killed(session)
    attached(session)
    ready(session)
    ghost, before = session.begin()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted after the server came back")


def restarting_by_command_gives_another_server(session):
    session.begin()
    id_before = session.lua("return vim.lsp.get_clients({ name = 'ghostline' })[1].id")
    session.neovim.call("nvim_command", "Ghostline restart")
    other = "local c = vim.lsp.get_clients({ name = 'ghostline', bufnr = 0 })[1]; return c and c.id or ..."
    session.wait(lambda: session.lua(other, id_before) != id_before, "no other server")
    ready(session)
    session.expect_no_ghost("the ghost text of the server before") if session.mode() == "n" else None
    ghost, before = session.begin()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted after the restart")


def a_server_that_keeps_crashing_is_left_alone_until_it_is_asked_for(session):
    session.start_over()
    session.lua("local defer = vim.defer_fn; vim.defer_fn = function(act, pause) return defer(act, pause / 50) end")
    for _ in range(4):
        attached(session)
        killed(session)
        said = session.lua("return table.concat(_G.said, '\\n')")
        if "keeps crashing" in said:
            break
    session.wait(lambda: "keeps crashing" in session.lua("return table.concat(_G.said, '\\n')"), "it was not given up", 5)
    time.sleep(0.2)
    assert session.clients() == 0, "started once more"
    assert session.lua("return require('ghostline').status().state") == "absent"
    session.neovim.call("nvim_command", "Ghostline restart")
    attached(session)
    ready(session)
    session.begin()


def switching_off_a_buffer_or_a_language_leaves_the_others(session):
    session.begin()
    for scope in ("buffer", "language"):
        session.neovim.call("nvim_command", f"Ghostline disable {scope}")
        session.expect_no_ghost(f"{scope} switched off")
        assert session.lua("return require('ghostline').status().state") == "off"
        assert session.lua("return require('ghostline').statusline()") == "ghostline off"
        session.neovim.call("nvim_command", f"Ghostline toggle {scope}")
        session.begin()


def commands_complete_and_name_the_nearest(session):
    complete = "return vim.fn.getcompletion(..., 'cmdline')"
    assert "restart" in session.lua(complete, "Ghostline ")
    assert session.lua(complete, "Ghostline st") == ["stats", "status"]
    assert session.lua(complete, "Ghostline enable ") == ["buffer", "global", "language"]
    assert session.lua(complete, "Ghostline log ") == []
    session.neovim.call("nvim_command", "silent! Ghostline statsu")
    assert "did you mean `stats`" in session.said()[-1], session.said()
    session.neovim.call("nvim_command", "silent! Ghostline enable bufer")
    assert "did you mean `buffer`" in session.said()[-1], session.said()


def commands_open_what_they_promise(session):
    session.start_over()
    session.neovim.press("<Esc>")
    for command, words in (("doctor", "ghostline doctor"), ("log", "lsp.log")):
        session.neovim.call("nvim_command", f"Ghostline {command}")
        shown = "return vim.wo.winbar .. vim.api.nvim_buf_get_name(0)"
        session.wait(lambda: words in session.lua(shown), f"{command} shows nothing", 30)
        assert session.lua("return #vim.api.nvim_list_wins()") == 2
        session.neovim.call("nvim_command", "close")
    session.neovim.call("nvim_command", "Ghostline status")
    assert "ghostline: ready" in session.said()[-1], session.said()


def health_says_that_all_is_well(session):
    session.neovim.press("<Esc>")
    session.neovim.call("nvim_command", "checkhealth ghostline")
    session.wait(lambda: "Keys and other plugins" in session.buffer(), "no report", PATIENCE)
    report = session.buffer()
    assert "ERROR" not in report and "WARNING" not in report, report
    assert "Model " in report and "attached to" in report, report
    session.neovim.call("nvim_command", "bwipeout!")


NATIVE = [a_killed_server_comes_back_by_itself, health_says_that_all_is_well]
FRAME = [
    a_killed_server_comes_back_by_itself,
    restarting_by_command_gives_another_server,
    switching_off_a_buffer_or_a_language_leaves_the_others,
    commands_complete_and_name_the_nearest,
    commands_open_what_they_promise,
    health_says_that_all_is_well,
    a_server_that_keeps_crashing_is_left_alone_until_it_is_asked_for,
]
