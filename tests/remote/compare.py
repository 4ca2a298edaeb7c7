"""The same greedy text from the model in the process and from a llama.cpp server with the same model.

    compare.py GHOSTLINE LLAMA_SERVER MODEL.gguf FILE...

Asks `ghostline complete` at places all over the files, once here and once there, and compares. Places behind blanks are
left out, and healing is off: a server cannot be held to half a word, so only prompts without one are the same. Also: the
server's own `/infill` and its OpenAI dialect answer, and a server that goes and comes back is used again at the next
question. Ends with 1 where something differs.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

# Rounding differs between two ways of cutting a prompt into batches; where two tokens are as likely, the other one
# may win.
TOLERATED = 0.02


# As the engine in the process: small batches and flash attention, so that both round alike.
ROUNDING = ["-b", "63", "-ub", "63", "-fa", "on"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(binary, model, port):
    command = [binary, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-np", "1", "-c", "2048", "-t", "1"] + ROUNDING
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        try:
            with opener.open(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
                if answer.status == 200:
                    return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    sys.exit(f"{binary} does not start")


def complete(ghostline, place, **settings):
    folder = tempfile.gettempdir()
    variables = {f"GHOSTLINE_{name.upper()}": value for name, value in settings.items()}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GHOSTLINE_")}
    environment |= {"XDG_CONFIG_HOME": os.path.join(folder, "nothing-here")} | variables
    done = subprocess.run([ghostline, "complete", place, "--json"], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        return {"text": None, "error": done.stderr.strip()}
    return json.loads(done.stdout)


def places(path, wanted):
    """Places behind a word or a mark, spread over the file."""
    lines = pathlib.Path(path).read_text().split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        text = line.rstrip()
        indent = len(text) - len(text.lstrip())
        for column in {indent + (len(text) - indent) // 2, len(text)}:
            if column > indent and not text[column - 1].isspace():
                found.append(f"{path}:{number}:{column + 1}")
    step = max(1, len(found) // wanted)
    return found[::step][:wanted]


def main():
    ghostline, binary, model, *files = sys.argv[1:]
    port = free_port()
    server = start_server(binary, model, port)
    same_settings = {"engine_healing": "false", "completion_live_cache": "false", "completion_min_confidence": "0", "model": model}
    remote = {
        "engine_kind": "remote",
        "remote_url": f"http://127.0.0.1:{port}",
        "remote_consent": "given",
        "remote_fallback": "false",
    }
    failures = []
    try:
        compared = different = with_text = 0
        for path in files:
            for place in places(path, 30):
                here = complete(ghostline, place, **same_settings)
                there = complete(ghostline, place, **same_settings, **remote)
                compared += 1
                with_text += bool(here["text"])
                if here["text"] != there["text"]:
                    different += 1
                    print(f"different at {place}: {here} {there}")
        print(f"{compared} places, {with_text} with text, {different} different")
        if with_text < compared // 4 or different > compared * TOLERATED:
            failures.append("the texts differ")

        place = places(files[0], 30)[12]
        for protocol in ["infill", "openai"]:
            answer = complete(ghostline, place, **same_settings, **remote, remote_protocol=protocol)
            if not isinstance(answer["text"], str):
                failures.append(f"{protocol}: {answer['error']}")

        server.kill()
        server.wait()
        gone = complete(ghostline, place, **same_settings, **remote)
        if "cannot be reached" not in gone.get("error", ""):
            failures.append(f"a server that is gone: {gone}")
        server = start_server(binary, model, port)
        back = complete(ghostline, place, **same_settings, **remote)
        if back["text"] is None:
            failures.append(f"a server that is back: {back['error']}")
    finally:
        server.kill()
    for failure in failures:
        print(f"FAILED: {failure}")
    sys.exit(bool(failures))


main()
