"""ghostline's item in the completion menu of a real Helix, with `editors/helix/languages.toml` and the built program.

Helix has no remote interface: it runs in tmux, on a server of its own, keys go in and screens come out.
What is asserted are relations: the file after accepting holds exactly the item that stood in the menu.
"""

import shlex
import subprocess
import sys
import time

import common

PATIENCE = 10


class Session:
    """One Helix on one file."""

    SOCKET = "ghostline-test"

    def __init__(self, arguments, project, name):
        self.path = project.work / name
        self.text, self.line = common.SAMPLES[name]
        self.times = []
        configuration = project.folder / "config" / "helix"
        configuration.mkdir(parents=True, exist_ok=True)
        languages = (common.REPOSITORY / "editors" / "helix" / "languages.toml").read_text()
        program = 'command = "ghostline"'
        assert program in languages, "languages.toml names the program otherwise than this test knows"
        (configuration / "languages.toml").write_text(languages.replace(program, f'command = "{arguments.ghostline}"'))
        # What is typed must stand as typed, and only language servers fill the menu.
        (configuration / "config.toml").write_text("[editor]\nauto-pairs = false\npath-completion = false\n")
        keys = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "LC_ALL")
        setting = " ".join(f"{key}={shlex.quote(project.env[key])}" for key in keys)
        log = shlex.quote(str(project.folder / "helix.log"))
        self.tmux("kill-server")
        command = f"cd {shlex.quote(str(project.work))} && env {setting} {shlex.quote(arguments.editor)} -v --log {log} {name}"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "helix", "-x", "120", "-y", "40", command)
        self.wait_until(lambda: " NOR " in self.screen(), "Helix starts")

    def tmux(self, *arguments):
        command = ["tmux", "-L", self.SOCKET, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "helix")

    def keys(self, *names):
        for name in names:
            self.tmux("send-keys", "-t", "helix", name)

    def type(self, text):
        for char in text:
            self.tmux("send-keys", "-t", "helix", "-l", char)
            time.sleep(0.02)

    def leave_insert_mode(self):
        """To normal mode. Waited for: a key too soon after Escape reads as that key with Alt."""
        if " NOR " not in self.screen():
            self.keys("Escape")
            self.wait_until(lambda: " NOR " in self.screen(), "normal mode")

    def wait_until(self, condition, what, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {timeout} s\n{self.screen()}")
            time.sleep(0.02)

    def rows(self):
        """The screen from the line that is typed on: that line, then the menu below it or nothing."""
        rows = self.screen().split("\n")[self.text.count("\n") :]
        rows = [row.lstrip().lstrip("0123456789~").removeprefix("  ").rstrip() for row in rows]
        return rows[:-3]

    def menu(self):
        """The first row of the completion menu, empty when none is open."""
        return self.rows()[1].strip()

    def start_over(self):
        """The file as it was, the cursor in insert mode on an empty last line."""
        # The empty last line is typed on: `o` would indent, and the indentation is part of what is typed.
        self.path.write_text(self.text + "\n")
        self.leave_insert_mode()
        self.type(":reload")
        self.keys("Enter")
        self.wait_until(lambda: self.rows()[1:2] in ([], [""]) and "[+]" not in self.screen(), "reloading")
        self.keys("g", "e", "i")

    def type_until_menu(self, at_least=3):
        """Types the sample line key by key until the menu stands there; what was typed.

        A menu that opens where none was is one measurement, from key press to screen.
        """
        indentation = len(self.line) - len(self.line.lstrip())
        for count, char in enumerate(self.line, 1):
            was_open = bool(self.menu())
            pressed_at = time.monotonic()
            self.type(char)
            try:
                # In the indentation a suggestion is welcome but not expected.
                self.wait_until(self.menu, "the menu opens", 0.3 if count < indentation else 1)
            except AssertionError:
                continue
            if not was_open:
                self.times.append(time.monotonic() - pressed_at)
            if count >= indentation + at_least:
                return self.line[:count]
        raise AssertionError(f"no menu while typing {self.line!r}\n{self.screen()}")

    def save(self):
        """The file's text after saving."""
        self.leave_insert_mode()
        self.type(":w!")
        self.keys("Enter")
        # Helix replaces the file in several steps, and says when it is done.
        self.wait_until(lambda: " written" in self.screen().rstrip().split("\n")[-1], "saving")
        return self.path.read_text()

    def quit(self):
        try:
            self.leave_insert_mode()
            self.type(":q!")
            self.keys("Enter")
            self.wait_until(lambda: "helix" not in self.tmux("list-sessions", "-F", "#{session_name}"), "quitting", 5)
            return True
        except AssertionError:
            return False
        finally:
            self.tmux("kill-server")


def the_model_is_loaded_and_says_something(session):
    """The first requests come back empty while the model is being loaded."""
    deadline = time.monotonic() + 60
    while True:
        session.start_over()
        try:
            session.type_until_menu()
            session.times.clear()
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def accept(session, typed):
    """Selects the menu's first item, keeps it, saves; the text that then stands in place of `typed`."""
    session.keys("Tab")
    session.wait_until(lambda: session.rows()[0] not in (typed, typed.rstrip()), "Tab shows the item in the text")
    preview = session.rows()[0]
    session.keys("Enter")
    saved = session.save()
    assert saved.startswith(session.text + typed), f"the text before the cursor changed: {saved!r}"
    accepted = saved.removeprefix(session.text).removesuffix("\n")
    assert accepted.split("\n")[0] == preview, f"previewed {preview!r}, accepted {accepted!r}"
    return accepted


def the_menu_shows_the_suggestion_and_accepting_inserts_it_exactly(session):
    session.start_over()
    typed = session.type_until_menu()
    shown = session.menu()
    accepted = accept(session, typed)
    assert len(accepted) > len(typed), f"nothing was inserted after {typed!r}"
    first = accepted.split("\n")[0].strip()
    # Behind the label stands its kind.
    word = shown.removesuffix(" text").split("…")[0].strip()
    assert word and word in first, f"the menu showed {shown!r}, accepted was {first!r}"


def typing_on_keeps_the_menu_and_the_suggestion(session):
    session.start_over()
    typed = session.type_until_menu()
    whole = accept(session, typed)
    session.start_over()
    session.type(typed)
    session.wait_until(session.menu, "the menu opens")
    session.type(whole[len(typed)])
    session.wait_until(lambda: session.menu() and session.rows()[0] == whole[: len(typed) + 1].rstrip(), "the menu stays")
    assert accept(session, whole[: len(typed) + 1]) == whole


def one_undo_takes_back_the_accepted_text_alone(session):
    session.start_over()
    typed = session.type_until_menu()
    accept(session, typed)
    session.keys("u")
    assert session.save().removeprefix(session.text).rstrip() == typed.rstrip()


CASES = [
    the_menu_shows_the_suggestion_and_accepting_inserts_it_exactly,
    typing_on_keeps_the_menu_and_the_suggestion,
    one_undo_takes_back_the_accepted_text_alone,
]


def run(arguments, project, name):
    report = []
    label = f"helix {name}"
    before = common.servers(arguments.ghostline)
    session = Session(arguments, project, name)
    try:
        failed = common.attempt(the_model_is_loaded_and_says_something, session, label)
        if not failed:
            failed = sum(common.attempt(case, session, label) for case in CASES)
            session.start_over()
            session.type_until_menu()
            report.append(session.screen())
    finally:
        ended = session.quit()
    failed += common.expect_no_process_left(label, arguments.ghostline, before, ended)
    line = f"{name}: key press to menu on the screen, which is read every 20 ms: {common.summary(session.times)}"
    print(f"      helix {line}")
    (arguments.report / f"helix-{name}.txt").write_text("\n\n".join([line, *report]) + "\n")
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
