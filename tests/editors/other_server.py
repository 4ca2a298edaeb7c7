"""A language's own server, as rust-analyzer is to Helix and Emacs: a list of names for the menu, and no ghost text.

Run by the editors beside ghostline. It refuses commands it does not know, as real ones do, and notes them in the
file that it is given: an editor that asks it to run ghostline's command has mixed the two up.
"""

import json
import re
import sys


def read():
    length = 0
    while (line := sys.stdin.buffer.readline()) not in (b"", b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(sys.stdin.buffer.read(length)) if length else None


def write(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def offset(text, position, encoding):
    """The index of a position, which counts in units of `encoding`."""
    lines = text.splitlines(keepends=True) + [""]
    start = sum(len(line) for line in lines[: position["line"]])
    units = position["character"]
    for count, char in enumerate(lines[position["line"]]):
        if units <= 0:
            return start + count
        units -= {"utf-8": len(char.encode()), "utf-16": 1 + (ord(char) > 0xFFFF), "utf-32": 1}[encoding]
    return start + len(lines[position["line"]].rstrip("\r\n"))


def edited(text, change, encoding):
    if "range" not in change:
        return change["text"]
    start, end = (offset(text, change["range"][side], encoding) for side in ("start", "end"))
    return text[:start] + change["text"] + text[end:]


def items(word):
    # As rust-analyzer sends them: what fits exactly sorts first of its kind, and one is preselected.
    names = [word + "_from_other", word + "_other_too", "selfish", "returned"]
    return [
        {"label": name, "kind": 3, "sortText": f"7fffff{n:02x}", "filterText": name, "preselect": n == 0, "detail": "fn() -> f64"}
        for n, name in enumerate(names)
    ]


def main(log):
    texts = {}
    encoding = "utf-16"
    while message := read():
        method, params = message.get("method"), message.get("params") or {}
        uri = params.get("textDocument", {}).get("uri")
        result = None
        if method == "initialize":
            # As rust-analyzer does: the first of the client's that it knows.
            offered = params["capabilities"].get("general", {}).get("positionEncodings", [])
            encoding = next((name for name in offered if name in ("utf-8", "utf-32")), "utf-16")
            sync = {"openClose": True, "change": 2}
            result = {"capabilities": {
                "positionEncoding": encoding,
                "textDocumentSync": sync,
                "completionProvider": {"triggerCharacters": [":", ".", "'", "("]},
                "executeCommandProvider": {"commands": ["other.run"]},
            }}
        elif method == "textDocument/didOpen":
            texts[uri] = params["textDocument"]["text"]
        elif method == "textDocument/didChange":
            for change in params["contentChanges"]:
                texts[uri] = edited(texts[uri], change, encoding)
        elif method == "other/text":
            result = {"text": texts[params["uri"]]}
        elif method == "textDocument/completion":
            before = texts[uri][: offset(texts[uri], params["position"], encoding)]
            result = {"isIncomplete": False, "items": items(re.search(r"\w*$", before)[0])}
        elif method == "workspace/executeCommand":
            with open(log, "a") as file:
                file.write(params["command"] + "\n")
            write({"id": message["id"], "error": {"code": -32602, "message": "unknown command"}})
            continue
        elif method == "exit":
            return
        if "id" in message and method:
            write({"id": message["id"], "result": result})


if __name__ == "__main__":
    main(sys.argv[1])
