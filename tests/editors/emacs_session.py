"""An Emacs in a terminal, with lsp-mode and ghostline set up as `editors/emacs/README.md` says."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path

import common
from terminal import Terminal

README = common.REPOSITORY / "editors" / "emacs" / "README.md"

# Before the README's lines: only what makes a session repeatable. A language's own server stands beside ghostline,
# as it does for everybody.
INIT = """
(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil)
(setq inhibit-startup-screen t make-backup-files nil auto-save-default nil create-lockfiles nil ring-bell-function #'ignore)
(setq lsp-session-file (expand-file-name "session" %(folder)s) lsp-auto-guess-root t lsp-enable-snippet nil lsp-client-packages nil
      lsp-headerline-breadcrumb-enable nil lsp-diagnostics-provider :none lsp-keep-workspace-alive nil)
(setq server-socket-dir %(folder)s server-name "test")
(setq ghostline-program %(program)s)
(menu-bar-mode -1)
(electric-indent-mode -1)
(define-derived-mode rust-mode prog-mode "Rust")
(add-to-list 'auto-mode-alist '("\\\\.rs\\\\'" . rust-mode))
(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client :new-connection (lsp-stdio-connection (list "python3" %(other)s %(log)s))
                    :activation-fn (lsp-activate-on "python" "rust") :server-id 'other)))
(require 'server)
(server-start)
;; As a package manager does.
(load "lsp-mode-autoloads" nil t)

(defun test-ghost ()
  (if (and (boundp 'lsp-inline-completion--overlay) (overlayp lsp-inline-completion--overlay))
      (let ((text (concat (overlay-get lsp-inline-completion--overlay 'display)
                          (overlay-get lsp-inline-completion--overlay 'after-string))))
        (mapconcat (lambda (at) (if (eq (get-text-property at 'face text) 'lsp-inline-completion-overlay-face)
                                    (string (aref text at)) ""))
                   (number-sequence 0 (1- (length text))) ""))
    ""))
(defun test-state ()
  (with-current-buffer (window-buffer (selected-window))
    (list :text (buffer-string) :point (point) :ghost (test-ghost) :file (buffer-file-name)
          :servers (vconcat (and (fboundp 'lsp-workspaces)
                               (mapcar (lambda (it) (symbol-name (lsp--workspace-server-id it))) (lsp-workspaces)))))))
;; What was told to servers, newest first.
(defvar test-told nil)
(with-eval-after-load 'lsp-mode
  (advice-add 'lsp-notify :before (lambda (method &rest _) (push method test-told))))
(defun test-start-over (text)
  (with-current-buffer (window-buffer (selected-window))
    (lsp-inline-completion-cancel)
    (erase-buffer)
    (insert text)
    (undo-boundary)
    t))
;; Not waited for in here: this may run in the middle of a request of Emacs' own.
(defvar test-answer nil)
(defun test-ask (server method)
  (setq test-answer nil)
  (with-current-buffer (window-buffer (selected-window))
    (with-lsp-workspace (seq-find (lambda (it) (eq (lsp--workspace-server-id it) server)) (lsp-workspaces))
      (lsp-request-async method (list :uri (lsp--buffer-uri))
                         (lambda (answer) (setq test-answer (lsp-get answer :text))) :mode 'detached)))
  t)
"""


class Session:
    """One Emacs on one file."""

    def __init__(self, arguments, project, name):
        self.arguments, self.project = arguments, project
        self.path = project.work / name
        self.text, self.line = common.SAMPLES[name]
        self.other_log = project.folder / "other.log"
        quoted = {
            "folder": json.dumps(str(project.folder / "emacs")),
            "program": json.dumps(arguments.ghostline),
            "other": json.dumps(str(Path(__file__).with_name("other_server.py"))),
            "log": json.dumps(str(self.other_log)),
        }
        (setup,) = re.findall(r"```elisp\n(.*?)```", README.read_text(), re.S)
        here = "~/src/ghostline/editors/emacs"
        assert here in setup, "the README names its folder otherwise than this test knows"
        init = project.folder / "init.el"
        init.write_text(INIT % quoted + setup.replace(here, str(README.parent)))
        (project.folder / "emacs").mkdir(exist_ok=True)
        os.chmod(project.folder / "emacs", 0o700)
        self.terminal = Terminal([arguments.editor, "-nw", "-Q", "-l", init, name], project.for_terminal(), project.work)
        try:
            self.terminal.wait_until(lambda: (project.folder / "emacs" / "test").exists(), "Emacs starts")
            self.terminal.wait_until(lambda: sorted(self.state()["servers"]) == ["ghostline", "other"], "both servers start")
        except BaseException:
            self.terminal.close()
            raise

    def eval(self, expression):
        """What an expression says, by JSON."""
        wrapped = f"(base64-encode-string (encode-coding-string (json-serialize {expression}) 'utf-8) t)"
        program = Path(self.arguments.editor).with_name("emacsclient")
        command = [program, "-s", self.project.folder / "emacs" / "test", "--eval", wrapped]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{expression}: {done.stdout}{done.stderr}"
        return json.loads(base64.b64decode(done.stdout.strip().strip('"')))

    def state(self):
        return self.eval("(test-state)")

    def ghost(self):
        return self.state()["ghost"]

    def start_over(self, before=""):
        """The file as it was, and the cursor behind `before` on an empty last line."""
        self.expected = self.text + before
        self.eval(f"(progn (test-start-over {json.dumps(self.expected, ensure_ascii=False)}) t)")

    def row(self):
        """The row of the screen that is typed on."""
        rows = self.terminal.screen().split("\n")
        return rows[self.expected.count("\n")]

    def type(self, text):
        for char in text:
            self.terminal.type(char, 0)
            self.expected += char

    def is_painted(self):
        """Whether more stands on the row than what was typed."""
        typed = self.expected.split("\n")[-1]
        return self.row().startswith(typed) and len(self.row().rstrip()) > len(typed)

    def type_until_ghost(self, at_least=3, line=None):
        """Types the sample line key by key until ghost text stands there; the ghost text.

        Each key waits for its answer, as a person does who looks at what is offered.
        """
        line = line or self.line
        indentation = len(line) - len(line.lstrip())
        for count, char in enumerate(line, 1):
            self.type(char)
            if count <= indentation:
                continue
            try:
                self.terminal.wait_until(self.is_painted, "ghost text", 1.5)
            except AssertionError:
                continue
            self.settle()
            ghost = self.ghost()
            # One character more than the cases type over.
            if count >= indentation + at_least and len(ghost.split("\n")[0]) > 3:
                return ghost
        raise AssertionError(f"no ghost text while typing {line!r}\n{self.terminal.screen()}")

    def settle(self):
        """Until the buffer holds what was typed, and the screen the ghost text."""
        self.terminal.wait_until(lambda: self.state()["text"] == self.expected, "what was typed stands in the buffer")
        first = lambda: self.ghost().split("\n")[0].rstrip()
        self.terminal.wait_until(lambda: self.row().rstrip() == (self.expected.split("\n")[-1] + first()).rstrip(), "the ghost text is painted", 3)

    def press(self, key, expected, what):
        """Presses a key that is no text, and waits for the buffer to hold `expected`."""
        self.terminal.keys(key)
        self.expected = expected
        self.terminal.wait_until(lambda: self.state()["text"] == expected, f"{what}: the buffer holds {expected!r}", 5)
        state = self.state()
        assert state["text"] == expected, state
        return state

    def open(self, path):
        self.eval(f"(progn (find-file {json.dumps(str(path))}) t)")
        self.terminal.wait_until(lambda: "ghostline" in self.state()["servers"], f"ghostline serves {path.name}")

    def save(self):
        self.terminal.keys("C-x", "C-s")
        self.terminal.wait_until(lambda: self.eval("(if (buffer-modified-p (window-buffer)) t :false)") is not True, "saving")
        return self.path.read_bytes()

    def quit(self):
        try:
            # Twice: the first may put ghost text away.
            self.terminal.keys("C-g", "C-g")
            self.eval("(progn (dolist (it (buffer-list)) (with-current-buffer it (set-buffer-modified-p nil))) t)")
            self.terminal.keys("C-x", "C-c")
            self.terminal.wait_until(lambda: not self.terminal.is_running(), "quitting", 10)
            return True
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(error)
            return False
        finally:
            self.terminal.close()
