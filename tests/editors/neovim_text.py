"""Cases of files that are not plain ASCII with `\\n`, and of several files, for both ways; the real server answers."""

from neovim_session import typed

# Typed in front of the sample line: characters of one, two, three and four bytes, and one of several characters.
WIDE = {"rs": '/* é漢字😀👩\u200d💻 */ ', "py": 'é漢字 = "😀👩\u200d💻"; '}


def open_file(session, name, content):
    """Writes a file into the project and edits it; its text as the buffer has it."""
    path = f"{name}.{session.name.split('.')[-1]}"
    session.neovim.press("<Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    session.lua(
        """
        local path, content = ...
        local file = assert(io.open(path, 'wb'))
        file:write(content)
        file:close()
        vim.cmd.edit({ args = { path }, bang = true })
        vim.cmd('setlocal noautoindent indentexpr= nocindent')
        """,
        path,
        content,
    )
    session.wait(lambda: session.clients() == 1, "the server did not attach")


def back(session):
    session.neovim.press("<Esc>")
    session.wait(lambda: session.mode() == "n", "not in normal mode")
    session.lua("vim.cmd.edit({ args = { ... }, bang = true })", session.name)
    session.lua("vim.cmd('setlocal noautoindent indentexpr= nocindent')")


def a_file_with_crlf_keeps_its_line_ends(session):
    open_file(session, "crlf", session.text.replace("\n", "\r\n"))
    assert session.lua("return vim.bo.fileformat") == "dos"
    ghost, before = session.begin()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted in a CRLF file")
    session.neovim.press("<Esc>")
    session.neovim.call("nvim_command", "silent write")
    written = session.lua("local file = assert(io.open(vim.api.nvim_buf_get_name(0), 'rb')); return file:read('*a')")
    assert written == (before + ghost + "\n").replace("\n", "\r\n"), repr(written)
    server = session.lua(
        """
        local client = vim.lsp.get_clients({ name = 'ghostline' })[1]
        return client:request_sync('ghostline/documentText', { uri = vim.uri_from_bufnr(0) }, 5000).result.text
        """
    )
    assert server.rstrip("\r\n") == written.rstrip("\r\n"), f"server {server!r}"
    back(session)


def emoji_and_cjk_before_the_cursor(session):
    ends = session.line[: len(session.line) - len(session.line.lstrip())]
    wide = WIDE[session.name.split(".")[-1]]
    session.start_over()
    session.neovim.press(typed(ends + wide))
    session.wait(lambda: session.buffer().endswith(wide), "not typed")
    line, session.line = session.line, session.line.lstrip()
    try:
        ghost = session.type_until_ghost()
    finally:
        session.line = line
    before = session.buffer()
    assert wide in before
    session.neovim.press(typed(ghost[0]) + "<Tab>")
    session.expect_buffer(before + ghost, "accepted behind emoji and CJK")


def ghost_text_in_two_files(session):
    open_file(session, "second", session.text)
    ghost, before = session.begin()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted in the second file")
    back(session)
    ghost, before = session.begin()
    session.neovim.press("<Tab>")
    session.expect_buffer(before + ghost, "accepted in the first file")
    assert session.lua("return #vim.lsp.get_clients({ name = 'ghostline' })") == 1, "a server for each file"


CASES = [
    a_file_with_crlf_keeps_its_line_ends,
    emoji_and_cjk_before_the_cursor,
    ghost_text_in_two_files,
]
