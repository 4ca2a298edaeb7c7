"""Ghost text in a real Neovim, with the files of `editors/neovim` and the built program.

Both ways are driven, Neovim's own inline completion and the module that draws by itself, in a Rust and a Python file.
What is asserted are relations (the buffer after accepting is the text before it plus the ghost text that stood on the
screen), never what the model says.

`neovim_session.py` has what the cases share; the cases stand in `neovim_native.py`, `neovim_frame.py`,
`neovim_life.py` (servers that come and go, switches, commands), `neovim_text.py` (line ends and scripts),
`neovim_scripted.py` (a server that says what the case wants) and `neovim_setup.py` (options and keys).
"""

import sys
import time

import common
import neovim_frame
import neovim_life
import neovim_native
import neovim_picture
import neovim_scripted
import neovim_setup
import neovim_text
from neovim_session import FRAME, NATIVE, Session

# As Neovim 0.11 is to a language server and to our files. The real one is in no Debian suite.
OLD = """
vim.lsp.inline_completion = false
local announce = vim.lsp.protocol.make_client_capabilities
vim.lsp.protocol.make_client_capabilities = function()
  local capabilities = announce()
  capabilities.textDocument.inlineCompletion = nil
  return capabilities
end
"""


def run(arguments, name, way, cases, before="", text=None):
    """Runs `cases` in one Neovim on the file `name`; the number of failures."""
    label = f"neovim {way.name}{' 0.11' if before else ''} {name}"
    running = common.servers(arguments.ghostline)
    report = []
    with common.Project(arguments.report) as project:
        session = Session(arguments.ghostline, arguments.editor, project, name, way, before, text)
        try:
            failed = common.attempt(Session.wait_for_model, session, label)
            if not failed:
                failed = sum(common.attempt(case, session, label) for case in cases)
                session.show_a_block()
                report.append(session.neovim.screen())
                picture = arguments.report / f"{label.replace(' ', '-')}.svg"
                picture.write_text(neovim_picture.svg(session.neovim))
        finally:
            ended = session.neovim.quit()
    failed += common.expect_no_process_left(label, arguments.ghostline, running, ended)
    wait = f", {1000 * way.delay:.0f} ms of it Neovim's own wait" if way.delay else ""
    for kind, times in session.times.items():
        if times:
            report.insert(0, f"{label}: key press to painted ghost text{wait}, {kind}: {common.summary(times)}")
            print(f"      {report[0]}")
    (arguments.report / f"{label.replace(' ', '-')}.txt").write_text("\n\n".join(report) + "\n")
    return failed


def run_old(arguments, name):
    """Neovim 0.11 without the module: menu completion instead of ghost text."""
    with common.Project(arguments.report) as project:
        session = Session(arguments.ghostline, arguments.editor, project, name, NATIVE, OLD)
        try:
            return common.attempt(neovim_native.the_text_comes_by_omni_completion, session, f"neovim native 0.11 {name}")
        finally:
            session.neovim.quit()


def main():
    arguments = common.arguments("Neovim")
    started = time.monotonic()
    failed = neovim_scripted.run(arguments)
    failed += sum(common.attempt(case, arguments, "neovim setup") for case in neovim_setup.CASES)
    for name in common.SAMPLES:
        # What is not about the text once only.
        is_first = name == next(iter(common.SAMPLES))
        life = neovim_life.NATIVE if is_first else neovim_life.NATIVE[:1]
        failed += run(arguments, name, NATIVE, neovim_native.CASES + neovim_text.CASES + life)
        life = neovim_life.FRAME if is_first else neovim_life.FRAME[:1]
        failed += run(arguments, name, FRAME, neovim_frame.CASES + neovim_text.CASES + life)
    name = next(iter(common.SAMPLES))
    failed += run_old(arguments, name)
    failed += run(arguments, name, FRAME, neovim_frame.CASES[:6], OLD)
    print(f"      neovim: {time.monotonic() - started:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
