"""ghostline's item in the completion menu of a real Helix, with `editors/helix/languages.toml` and the built program.

Helix has no remote interface: it runs in a terminal, keys go in and screens come out; its log says what it sent.
The language's own server stands beside ghostline. Asserted are relations: the file after accepting holds exactly
the item that stood in the menu, never what the model says.
"""

import os
import re
import signal
import sys
import textwrap
import time
from pathlib import Path

import common
from terminal import Terminal

FOLDER = common.REPOSITORY / "editors" / "helix"

# The servers that languages.toml names beside ghostline. `ruff` stays one that is not installed.
OTHER = """
[language-server.rust-analyzer]
command = "python3"
args = [{arguments}]

[language-server.pylsp]
command = "python3"
args = [{arguments}]

[language-server.ruff]
command = "ghostline-test-has-no-ruff"
"""

OTHER_LABELS = ("_from_other", "_other_too", "selfish", "returned")

# What is typed must stand as typed, and only language servers fill the menu.
CONFIG = """
[editor]
auto-pairs = false
path-completion = false
word-completion.enable = false
"""


class Session:
    """One Helix on one file."""

    def __init__(self, arguments, project, name):
        self.arguments, self.project = arguments, project
        self.path = project.work / name
        self.text, self.line = common.SAMPLES[name]
        self.log, other_log = project.folder / "helix.log", project.folder / "other.log"
        configuration = project.folder / "config" / "helix"
        configuration.mkdir(parents=True, exist_ok=True)
        languages = (FOLDER / "languages.toml").read_text()
        program = 'command = "ghostline"'
        assert program in languages, "languages.toml names the program otherwise than this test knows"
        languages = languages.replace(program, f'command = "{arguments.ghostline}"')
        other = ", ".join(f'"{path}"' for path in (Path(__file__).with_name("other_server.py"), other_log))
        (configuration / "languages.toml").write_text(languages + OTHER.format(arguments=other))
        (configuration / "config.toml").write_text(CONFIG)
        environment = project.for_terminal() | {"COLORTERM": "truecolor"}
        command = [arguments.editor, "-vv", "--log", self.log, name]
        self.terminal = Terminal(command, environment, project.work)
        self.screen, self.wait_until = self.terminal.screen, self.terminal.wait_until
        self.keys, self.type = self.terminal.keys, self.terminal.type
        try:
            self.wait_until(lambda: " NOR " in self.screen(), "Helix starts")
        except BaseException:
            self.terminal.close()
            raise

    def leave_insert_mode(self):
        # Helix takes a key too soon after Escape for that key with Alt.
        if " NOR " not in self.screen():
            self.keys("Escape")
            self.wait_until(lambda: " NOR " in self.screen(), "normal mode")

    def command(self, line):
        self.leave_insert_mode()
        self.type(":")
        self.wait_until(lambda: self.screen().rstrip("\n").split("\n")[-1].startswith(":"), "the command line")
        self.type(line, 0)
        self.keys("Enter")

    def rows(self):
        """The screen from the line that is typed on: that line, then the menu below it or nothing."""
        rows = self.screen().split("\n")
        gutter = rows[0].find(self.text.split("\n")[0])
        last = self.before.count("\n")
        # Behind the file, tildes.
        rows = [row[gutter:] if row[:gutter].strip("~ \u2503") or row[gutter:].strip() else "" for row in rows[last:-3]]
        return [row.rstrip() for row in rows]

    def menu(self):
        """The first row of the completion menu without the documentation beside it, empty when none is open."""
        return next(iter(self.items()), "")

    def items(self):
        """The labels in the menu."""
        # A row is blank, the label, blanks, the kind; the documentation stands in a box of its own, further right.
        found = (re.match(r" +(\S.*?) +(text|function)(?: |$)", row) for row in self.rows()[1:])
        return [match[1] for match in found if match]

    def start_over(self, before=""):
        """The file as it was, the cursor in insert mode behind `before` on an empty last line."""
        # The empty last line is typed on: `o` would indent, and the indentation is part of what is typed.
        self.before = self.text + before
        self.path.write_bytes((self.before + "\n").replace("\n", self.line_break()).encode())
        self.command("reload")
        typed = before.split("\n")[-1]
        self.wait_until(lambda: self.rows()[:2] in ([typed.rstrip()], [typed.rstrip(), ""]) and "[+]" not in self.screen(), "reloading")
        self.keys("g", "e", "g", "h", "i") if not typed else self.keys("g", "e", "A")
        self.wait_until(lambda: " INS " in self.screen(), "insert mode")

    def line_break(self):
        return "\r\n" if self.path.stem == "crlf" else "\n"

    def type_until_menu(self, at_least=3, line=None):
        """Types the sample line key by key until the menu stands there; what was typed."""
        line = line or self.line
        indentation = len(line) - len(line.lstrip())
        for count, char in enumerate(line, 1):
            self.type(char, 0)
            try:
                # In the indentation a suggestion is welcome but not expected.
                self.wait_until(self.is_ours, "the menu opens", 0.3 if count < indentation else 1)
            except AssertionError:
                continue
            if count >= indentation + at_least:
                return line[:count]
        raise AssertionError(f"no menu while typing {line!r}\n{self.screen()}")

    def is_ours(self):
        """Whether ghostline's item leads the menu."""
        label = self.menu()
        return bool(label) and not label.endswith(OTHER_LABELS)

    def accept(self):
        """Selects the menu's first item, keeps it, saves; what then stands behind `before`, without its typed part."""
        typed = self.rows()[0]
        self.keys("Tab")
        self.wait_until(lambda: self.rows()[0] not in (typed, typed.rstrip()), "Tab shows the item in the text")
        preview = self.rows()[0]
        self.keys("Enter")
        saved = self.save()
        assert saved.startswith(self.before), f"the text before the cursor changed: {saved!r}"
        accepted = saved.removeprefix(self.before).removesuffix("\n")
        shown = (self.before.split("\n")[-1] + accepted).split("\n")[0].rstrip()
        assert shown == preview, f"previewed {preview!r}, accepted {shown!r}"
        return accepted

    def save(self):
        """The file's text after saving."""
        self.command("w!")
        # Helix replaces the file in several steps, and says when it is done.
        self.wait_until(lambda: " written" in self.screen().rstrip().split("\n")[-1], "saving")
        return self.path.read_bytes().decode().replace("\r\n", "\n")

    def open(self, path, text, line):
        self.path, self.text, self.line = path, text, line
        self.command(f"open {path}")
        self.wait_until(lambda: path.name in self.screen().split("\n")[-3], f"{path.name} is open")

    def servers(self):
        return common.servers(self.arguments.ghostline) - self.others

    def quit(self):
        try:
            self.command("qa!")
            self.wait_until(lambda: not self.terminal.is_running(), "quitting", 5)
            return True
        except AssertionError as error:
            print(error)
            return False
        finally:
            self.terminal.close()


def the_model_is_loaded_and_says_something(session):
    """The first requests come back empty while the model is being loaded."""
    deadline = time.monotonic() + 60
    while True:
        session.start_over()
        try:
            session.type_until_menu()
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def the_menu_shows_the_suggestion_and_accepting_inserts_it_exactly(session):
    session.start_over()
    typed = session.type_until_menu()
    label = session.menu()
    accepted = session.accept()
    assert accepted.startswith(typed) and len(accepted) > len(typed), f"nothing was inserted after {typed!r}: {accepted!r}"
    first = accepted.split("\n")[0].strip()
    # Behind it stands how many lines follow, or a sign that it was cut.
    shown = re.sub(r"( \(\+\d+ lines?\)|…)$", "", label)
    assert shown and shown in first, f"the menu showed {label!r}, accepted was {first!r}"


def it_stands_before_the_other_servers_items(session):
    # Two characters of a word, at once: Helix asks both servers then.
    word = session.line.lstrip()[:2]
    session.start_over(session.line[: session.line.index(word)])
    session.type(word, 0)
    items = session.wait_until(lambda: len(session.items()) > 1 and session.items(), "the other server's items come")
    session.wait_until(session.is_ours, "ours comes, too")
    assert session.items()[1].endswith(OTHER_LABELS), items


def the_documentation_shows_the_whole_text_from_its_left_edge(session):
    session.start_over()
    session.type_until_menu()
    session.keys("Tab")
    rows = session.wait_until(lambda: "ghostline" in session.screen() and session.screen(), "the documentation opens").split("\n")
    heading = next(number for number, row in enumerate(rows) if "ghostline" in row)
    left = rows[heading].index("ghostline")
    shown = [row[left:].rstrip() for row in rows[heading + 1 :]]
    session.keys("Enter")
    accepted = session.save().removeprefix(session.before).rstrip()
    whole = textwrap.dedent(accepted).split("\n")
    assert any(shown[at : at + len(whole)] == whole for at in range(len(shown))), f"{whole} stands nowhere in {shown}"


def typing_on_keeps_the_menu_and_the_suggestion(session):
    session.start_over()
    typed = session.type_until_menu()
    whole = session.accept()
    session.start_over()
    session.type_until_menu(line=typed)
    session.type(whole[len(typed)])
    on = whole[: len(typed) + 1]
    session.wait_until(lambda: session.is_ours() and session.rows()[0] == on.rstrip(), "the menu stays")
    assert session.accept() == whole


def one_undo_takes_back_the_accepted_text_alone(session):
    session.start_over()
    typed = session.type_until_menu()
    session.accept()
    session.keys("u")
    assert session.save().removeprefix(session.text).rstrip() == typed.rstrip()


def c_c_closes_the_menu_and_leaves_the_text(session):
    session.start_over()
    typed = session.type_until_menu()
    session.keys("C-c")
    session.wait_until(lambda: not session.items(), "the menu closes")
    assert session.save().removeprefix(session.text).rstrip() == typed.rstrip()


def it_is_asked_after_a_blank(session):
    session.start_over()
    typed, rest = re.fullmatch(r"( *)(.*)", session.line).groups()
    session.type(typed)
    # Where the model is not sure enough of the next word there is nothing to show.
    for word in rest.split(" ")[:-1]:
        session.type(f"{word} ")
        typed += f"{word} "
        try:
            session.wait_until(session.is_ours, f"the menu opens after {typed!r}", 2)
        except AssertionError:
            continue
        assert session.accept().startswith(typed)
        return
    raise AssertionError(f"the menu opens at no blank of {session.line!r}\n{session.screen()}")


def brackets_that_helix_closes_are_not_doubled(session):
    if session.path.suffix != ".rs":
        # The built-in model has nothing to say at a bracket in so little Python.
        return
    own = session.text
    call = "self.x = scale(other);"
    indentation = re.match(" *", session.line)[0]
    session.text = own + f"{indentation}{call}\n" * 4
    session.command("set auto-pairs true")
    try:
        session.start_over(indentation + call.split("(")[0])
        session.type_until_menu(1, "(" + call.split("(")[1].rstrip(");"))
        accepted = session.accept()
        assert accepted.count("(") == accepted.count(")") == 1, accepted
    finally:
        session.text = own
        session.command("set auto-pairs false")


def it_goes_to_all_cursors(session):
    own = session.text
    session.text = own + "\n"
    try:
        session.start_over()
        session.leave_insert_mode()
        session.keys("k", "C", "i")
        session.wait_until(lambda: "2 sels" in session.screen() and " INS " in session.screen(), "two cursors")
        session.type_until_menu()
        session.keys("Tab", "Enter")
        session.leave_insert_mode()
        session.keys(",")
        saved = session.save().removeprefix(own).rstrip("\n")
        half = len(saved) // 2
        assert saved[:half] == saved[half + 1 :] and saved[half] == "\n" and saved[:half].strip(), saved
    finally:
        session.text = own


def emoji_and_cjk_before_the_cursor_shift_nothing(session):
    # On every line of code, so that the model expects it.
    own = session.text
    note = "/* 日本語 😀 é */ " if session.path.suffix == ".rs" else '"日本語 😀 é"; '
    session.text = re.sub(r"^( +)(self|return)", rf"\1{note}\2", own, flags=re.M)
    assert session.text != own
    try:
        session.start_over(re.match(" +", session.line)[0] + note)
        typed = session.type_until_menu(line=session.line.strip())
        accepted = session.accept()
        assert accepted.startswith(typed) and len(accepted) > len(typed), accepted
    finally:
        session.text = own


def a_file_with_crlf_keeps_its_line_breaks(session):
    own = session.path, session.text, session.line
    path = session.project.work / f"crlf{session.path.suffix}"
    path.write_bytes(session.text.replace("\n", "\r\n").encode())
    session.open(path, *own[1:])
    try:
        session.start_over()
        typed = session.type_until_menu()
        assert session.accept().startswith(typed)
        saved = path.read_bytes()
        assert saved.count(b"\n") == saved.count(b"\r\n") == saved.count(b"\r"), saved
    finally:
        session.open(*own)


def two_files_have_suggestions_in_turn(session):
    own = session.path, session.text, session.line
    name = next(name for name in common.SAMPLES if name != session.path.name)
    for path, text, line in ((session.project.work / name, *common.SAMPLES[name]), own):
        session.open(path, text, line)
        the_model_is_loaded_and_says_something(session)
        assert session.accept()


def a_killed_server_is_restarted_by_command(session):
    old = session.servers()
    for process in old:
        os.kill(process, signal.SIGKILL)
    session.wait_until(lambda: not session.servers() & old, "it is gone")
    session.command("lsp-restart")
    session.wait_until(session.servers, "another server runs")
    the_model_is_loaded_and_says_something(session)
    assert session.accept()


def acceptance_sends_no_command(session):
    """So that nobody relies on it: what becomes of an item is seen from the edits."""
    log = session.log.read_text(errors="replace")
    assert "textDocument/completion" in log, "the log shows no traffic"
    assert "workspace/executeCommand" not in log


CASES = [
    the_menu_shows_the_suggestion_and_accepting_inserts_it_exactly,
    it_stands_before_the_other_servers_items,
    the_documentation_shows_the_whole_text_from_its_left_edge,
    typing_on_keeps_the_menu_and_the_suggestion,
    one_undo_takes_back_the_accepted_text_alone,
    c_c_closes_the_menu_and_leaves_the_text,
    it_is_asked_after_a_blank,
    brackets_that_helix_closes_are_not_doubled,
    it_goes_to_all_cursors,
    emoji_and_cjk_before_the_cursor_shift_nothing,
    a_file_with_crlf_keeps_its_line_breaks,
    two_files_have_suggestions_in_turn,
    a_killed_server_is_restarted_by_command,
    acceptance_sends_no_command,
]


def measure(session):
    """Seconds from a key to the menu on the screen where none was."""
    times = []
    indentation = len(session.line) - len(session.line.lstrip())
    for count in [*range(indentation, len(session.line) - 1)] * 2:
        session.start_over(session.line[:count])
        # Entering insert mode asks, too.
        try:
            session.wait_until(session.items, "the menu opens", 0.8)
            session.keys("C-c")
            session.wait_until(lambda: not session.items(), "the menu closes")
        except AssertionError:
            pass
        pressed_at = time.monotonic()
        session.type(session.line[count], 0)
        try:
            session.wait_until(session.is_ours, "the menu opens", 1)
            times.append(time.monotonic() - pressed_at)
        except AssertionError:
            continue
    return times


def run(arguments, project, name):
    label = f"helix {name}"
    before = common.servers(arguments.ghostline)
    session = Session(arguments, project, name)
    session.others = before
    lines, screens = [], []
    try:
        failed = common.attempt(the_model_is_loaded_and_says_something, session, label)
        if not failed:
            failed = sum(common.attempt(case, session, label) for case in CASES)
            lines = [
                f"{name}: key press to menu on the screen, read every 10 ms or so: {common.summary(measure(session))}",
                "Helix itself waits 250 ms after a character of a word and 5 ms after others; a key takes tmux 10 ms",
            ]
            session.start_over()
            session.type_until_menu()
            session.keys("Tab")
            session.wait_until(lambda: "ghostline" in session.screen(), "the documentation opens")
            screens.append(session.screen())
            (arguments.report / f"helix-{name}.svg").write_text(session.terminal.picture())
    finally:
        ended = session.quit()
    failed += common.expect_no_process_left(label, arguments.ghostline, before, ended)
    print("\n".join(f"      helix {line}" for line in lines))
    (arguments.report / f"helix-{name}.txt").write_text("\n\n".join([*lines, *screens]) + "\n")
    return failed


def main():
    arguments = common.arguments("Helix")
    failed = 0
    for name in common.SAMPLES:
        with common.Project(arguments.report) as project:
            failed += run(arguments, project, name)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
