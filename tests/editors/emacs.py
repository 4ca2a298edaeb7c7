"""Ghost text in a real Emacs with lsp-mode 10, set up as `editors/emacs/README.md` says, with the built program.

Emacs runs in a terminal; keys go in there. What stands in its buffer is asked by emacsclient, what is painted is read
from the screen. Asserted are relations, never what the model says.
"""

import os
import re
import signal
import subprocess
import sys
import time

import common
from emacs_session import README, Session


def the_model_is_loaded_and_says_something(session):
    """The first requests come back empty while the model is being loaded."""
    deadline = time.monotonic() + 60
    while True:
        session.start_over()
        try:
            session.type_until_ghost()
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def ghost_text_appears_and_tab_accepts_it_exactly(session):
    session.start_over()
    ghost = session.type_until_ghost()
    state = session.press("Tab", session.expected + ghost, "accepted with TAB")
    assert state["point"] == len(session.expected) + 1, "the cursor stands behind it"
    assert not session.other_log.exists(), f"the language's own server was asked to run {session.other_log.read_text()!r}"


def one_undo_takes_back_the_accepted_text_alone(session):
    session.start_over()
    ghost = session.type_until_ghost()
    before = session.expected
    session.press("Tab", before + ghost, "accepted")
    session.press("C-_", before, "undone")


def c_g_puts_it_away_and_leaves_the_text(session):
    session.start_over()
    session.type_until_ghost()
    session.terminal.keys("C-g")
    session.terminal.wait_until(lambda: not session.is_painted() and not session.ghost(), "it is gone", 5)
    state = session.state()
    assert state["text"] == session.expected and state["point"] == len(session.expected) + 1, state
    told = session.eval("(vconcat test-told)")
    assert "textDocument/didShowCompletion" in told and told[0] == "ghostline/didDismiss", told[:5]


def only_one_of_the_two_modes_asks(session):
    modes = session.eval("(with-current-buffer (window-buffer) (vector (if ghostline-mode t :false) (if lsp-inline-completion-mode t :false)))")
    assert modes == [True, False], modes


def typing_the_ghost_text_leaves_the_rest_of_it(session):
    session.start_over()
    ghost = session.type_until_ghost()
    for count in (1, 2):
        session.type(ghost[count - 1])
        session.settle()
        session.terminal.wait_until(lambda: session.ghost() == ghost[count:], f"after {ghost[:count]!r} of {ghost!r}: the rest", 3)


def another_character_dismisses_the_ghost_text(session):
    session.start_over()
    ghost = session.type_until_ghost()
    session.type("z" if ghost[0] != "z" else "q")
    session.settle()
    assert session.ghost() != ghost[1:], f"{ghost!r} still stands"


def a_word_of_it_is_accepted_by_m_f(session):
    session.start_over()
    ghost = session.type_until_ghost()
    word = re.match(r"\W*\w+|\W+", ghost)[0]
    session.press("M-f", session.expected + word, "a word is accepted")
    if word != ghost:
        session.terminal.wait_until(lambda: session.ghost() == ghost[len(word) :], f"the rest of {ghost!r} after {word!r}", 3)


def the_cursor_moves_while_ghost_text_stands(session):
    for key, moved in (("C-p", -1), ("C-n", 0), ("Left", 0)):
        session.start_over()
        session.type_until_ghost()
        session.terminal.keys(key)
        session.terminal.wait_until(lambda: not session.ghost(), f"{key} is an ordinary key", 5)
        state = session.state()
        line = state["text"][: state["point"] - 1].count("\n")
        assert state["text"] == session.expected and line == session.expected.count("\n") + moved, (key, state)


def emoji_and_cjk_before_the_cursor_shift_nothing(session):
    # On every line of code, so that the model expects it.
    own = session.text
    note = "/* 日本語 😀 é */ " if session.path.suffix == ".rs" else '"日本語 😀 é"; '
    session.text = re.sub(r"^( +)(self|return)", rf"\1{note}\2", own, flags=re.M)
    assert session.text != own
    try:
        session.start_over(re.match(" +", session.line)[0] + note)
        ghost = session.type_until_ghost(line=session.line.strip())
        session.press("Tab", session.expected + ghost, "accepted behind emoji and CJK")
        the_server_has_the_same_text_after_all_that(session)
    finally:
        session.text = own


def a_file_with_crlf_keeps_its_line_breaks(session):
    path = session.project.work / f"crlf{session.path.suffix}"
    path.write_bytes(session.text.replace("\n", "\r\n").encode())
    own = session.path
    session.open(path)
    session.path = path
    try:
        for opener in ("", "\n"):
            session.start_over(opener)
            ghost = session.type_until_ghost()
            session.press("Tab", session.expected + ghost, "accepted")
            saved = session.save()
            # lsp-mode has a file end with a line break.
            whole = session.expected.rstrip("\n") + "\n"
            assert saved.replace(b"\r\n", b"\n").decode().rstrip("\n") + "\n" == whole, saved
            assert saved.count(b"\n") == saved.count(b"\r\n") == saved.count(b"\r"), saved
    finally:
        session.path = own
        session.open(own)


def two_files_have_ghost_text_in_turn(session):
    other = next(name for name in common.SAMPLES if name != session.path.name)
    own = session.path, session.text, session.line
    before = common.servers(session.arguments.ghostline)
    session.path = session.project.work / other
    session.text, session.line = common.SAMPLES[other]
    session.open(session.path)
    session.start_over()
    ghost = session.type_until_ghost()
    session.press("Tab", session.expected + ghost, f"accepted in {other}")
    session.path, session.text, session.line = own
    session.open(session.path)
    session.start_over()
    ghost = session.type_until_ghost()
    session.press("Tab", session.expected + ghost, "accepted back in the first file")
    assert common.servers(session.arguments.ghostline) == before, "one server serves both"


def measure(session):
    """Seconds from a key to ghost text where none stood, and from a key of the ghost text to the rest of it."""
    fresh, along = [], []
    indentation = len(session.line) - len(session.line.lstrip())
    for count in [*range(indentation, len(session.line) - 1)] * 2:
        session.start_over(session.line[:count])
        session.terminal.wait_until(lambda: session.row().rstrip() == session.line[:count].rstrip(), "the row is painted")
        pressed_at = time.monotonic()
        session.type(session.line[count])
        try:
            session.terminal.wait_until(session.is_painted, "ghost text", 1)
        except AssertionError:
            continue
        fresh.append(time.monotonic() - pressed_at)
        session.settle()
        ghost, shown, column = session.ghost(), session.row().rstrip(), session.terminal.column()
        if len(ghost.split("\n")[0]) > 1:
            pressed_at = time.monotonic()
            session.type(ghost[0])
            session.terminal.wait_until(lambda: session.terminal.column() > column and session.row().rstrip() == shown, "the rest")
            along.append(time.monotonic() - pressed_at)
    return fresh, along


def own_servers(session):
    return common.servers(session.arguments.ghostline) - session.before


def ghost_text_comes_back_after(session, old):
    session.terminal.wait_until(lambda: own_servers(session) and not own_servers(session) & old, "another server runs")
    session.terminal.wait_until(lambda: "ghostline" in session.state()["servers"], "it serves the buffer")
    the_model_is_loaded_and_says_something(session)
    ghost = session.ghost()
    session.press("Tab", session.expected + ghost, "accepted from the new server")
    the_server_has_the_same_text_after_all_that(session)


def a_killed_server_is_started_again(session):
    old = own_servers(session)
    for process in old:
        os.kill(process, signal.SIGKILL)
    # lsp-mode asks.
    session.terminal.wait_until(lambda: "restart it?" in session.terminal.screen(), "lsp-mode asks whether to restart it")
    session.terminal.keys("y")
    # Does it at the next key.
    session.terminal.wait_until(lambda: "restart it?" not in session.terminal.screen() or session.terminal.keys("C-l"), "it is answered")
    ghost_text_comes_back_after(session, old)


def the_server_is_restarted_by_command(session):
    old = own_servers(session)
    session.terminal.keys("M-x")
    session.terminal.type("lsp-workspace-restart\n")
    session.terminal.wait_until(lambda: "Select workspace" in session.terminal.screen(), "lsp-mode asks for the server")
    session.terminal.type("ghostline\t\n")
    ghost_text_comes_back_after(session, old)


def the_server_has_the_same_text_after_all_that(session):
    """Ours, and the language's own, which shares the positions' encoding with ours in lsp-mode."""
    buffer = session.state()["text"]
    for server, method in (("ghostline", "ghostline/documentText"), ("other", "other/text")):
        session.eval(f"(test-ask '{server} \"{method}\")")
        text = session.terminal.wait_until(lambda: session.eval("(or test-answer :null)"), f"{server} says its text")
        assert text == buffer, f"{server} {text!r}\nbuffer {buffer!r}"


CASES = [
    ghost_text_appears_and_tab_accepts_it_exactly,
    one_undo_takes_back_the_accepted_text_alone,
    c_g_puts_it_away_and_leaves_the_text,
    only_one_of_the_two_modes_asks,
    typing_the_ghost_text_leaves_the_rest_of_it,
    another_character_dismisses_the_ghost_text,
    a_word_of_it_is_accepted_by_m_f,
    the_cursor_moves_while_ghost_text_stands,
    emoji_and_cjk_before_the_cursor_shift_nothing,
    a_file_with_crlf_keeps_its_line_breaks,
    two_files_have_ghost_text_in_turn,
    a_killed_server_is_started_again,
    the_server_is_restarted_by_command,
    the_server_has_the_same_text_after_all_that,
]


def run(arguments, project, name):
    label = f"emacs {name}"
    before = common.servers(arguments.ghostline)
    session = Session(arguments, project, name)
    session.before = before
    lines, screens = [], []
    try:
        failed = common.attempt(the_model_is_loaded_and_says_something, session, label)
        if not failed:
            failed = sum(common.attempt(case, session, label) for case in CASES)
            fresh, along = measure(session)
            lines = [
                f"{name}: key press to painted ghost text, 50 ms of it our own wait: {common.summary(fresh)}",
                f"{name}: a key of the ghost text to the rest of it, painted: {common.summary(along)}",
                "the screen is read every 10 ms or so, and a key takes tmux as long",
            ]
            session.start_over()
            session.type_until_ghost()
            screens.append(session.terminal.screen())
            (arguments.report / f"emacs-{name}.svg").write_text(session.terminal.picture())
    finally:
        ended = session.quit()
    failed += common.expect_no_process_left(label, arguments.ghostline, before, ended)
    print("\n".join(f"      emacs {line}" for line in lines))
    (arguments.report / f"emacs-{name}.txt").write_text("\n\n".join([*lines, *screens]) + "\n")
    return failed


def compiles_without_a_warning(arguments):
    source = README.with_name("ghostline.el")
    check = (
        "(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil byte-compile-error-on-warn t"
        " byte-compile-dest-file-function (lambda (_) (make-temp-file \"ghostline\" nil \".elc\")))"
        " (require 'checkdoc)"
    )
    command = [arguments.editor, "-Q", "--batch", "--eval", f"(progn {check})", "-f", "batch-byte-compile", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "ghostline.el:" not in done.stderr, done.stderr
    command = [arguments.editor, "-Q", "--batch", "--eval", f'(checkdoc-file "{source}")']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ghostline.el:" not in done.stderr, done.stderr


def main():
    arguments = common.arguments("Emacs")
    failed = common.attempt(compiles_without_a_warning, arguments, "emacs ghostline.el")
    print("skip: emacs: several cursors are a package of a third party; ghostline keeps quiet while it has more than one")
    for name in common.SAMPLES:
        with common.Project(arguments.report) as project:
            failed += run(arguments, project, name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
