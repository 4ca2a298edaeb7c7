#!/usr/bin/env python3
"""Writes the licences of everything in the program into one file: of each crate, and of llama.cpp with what it contains.

    licences.py FILE [TARGET-TRIPLE]

Ends with an error when a crate has neither a licence file nor a licence that this knows by name.
"""

import json
import pathlib
import subprocess
import sys

NAMES = ("licen", "copying", "notice", "unlicense", "copyright")
# What a crate may be under; one of the alternatives is enough.
ALLOWED = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Unlicense", "0BSD", "Unicode-3.0",
           "MIT-0", "CDLA-Permissive-2.0", "Apache-2.0 WITH LLVM-exception", "BSL-1.0", "CC0-1.0",
           # Of `option-ext`, unchanged: its terms ask for its source, which the line in the file leads to.
           "MPL-2.0"}
# What is compiled in without being a crate.
BESIDE = [
    "the Rust standard library (MIT OR Apache-2.0), by the Rust project's developers: https://github.com/rust-lang/rust",
    "Vulkan-Hpp, in the back end for Vulkan (Apache-2.0 OR MIT), by The Khronos Group: https://github.com/KhronosGroup/Vulkan-Hpp",
]


def used_crates(triple):
    """The packages that end up in the program: no tests, no build scripts, no procedural macros' own needs."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--features", "backends"]
    command += ["--filter-platform", triple] if triple else []
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, waiting = set(), [metadata["resolve"]["root"]]
    while waiting:
        identity = waiting.pop()
        if identity in seen:
            continue
        seen.add(identity)
        for dependency in nodes[identity]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    seen.remove(metadata["resolve"]["root"])
    return sorted((packages[identity] for identity in seen), key=lambda it: (it["name"], it["version"]))


def is_allowed(expression):
    expression = expression.replace("/", " OR ").replace("(", " ").replace(")", " ")
    alternatives = [part.strip() for part in expression.split(" OR ")]
    return any(all(name.strip() in ALLOWED for name in part.split(" AND ")) for part in alternatives)


def texts(folder):
    """Licence files at the top of a folder, or where a submodule keeps them."""
    found = []
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if path.is_file() and name.startswith(NAMES) and path.suffix.lower() not in (".rs", ".html"):
            found.append((path.name, path.read_text(encoding="utf-8", errors="replace").strip()))
    return found


def main():
    file = pathlib.Path(sys.argv[1])
    crates = used_crates(sys.argv[2] if len(sys.argv) > 2 else None)
    refused = [f"{it['name']} ({it['license']})" for it in crates if not is_allowed(it["license"] or "")]
    if refused:
        sys.exit(f"licences.py: not to be shipped without a decision: {', '.join(refused)}")

    # Many crates carry the same text: each is written once, under all that it stands for.
    by_text, bare = {}, []
    for crate in crates:
        folder = pathlib.Path(crate["manifest_path"]).parent
        label = f"{crate['name']} {crate['version']} ({crate['license']})"
        found = texts(folder)
        if crate["name"] == "llama-cpp-sys-2":
            source = folder / "llama.cpp"
            for _, text in texts(source):
                by_text.setdefault(text, []).append("llama.cpp and ggml (MIT)")
            comment = (source / "ggml/src/ggml-cpu/llamafile/sgemm.cpp").read_text(encoding="utf-8").split("\n\n")[0]
            by_text.setdefault(comment.strip(), []).append("llamafile's matrix products, in ggml (MIT)")
        if not found:
            bare.append(f"{label}, by {', '.join(crate['authors']) or 'its authors'}: {crate['repository'] or crate['name']}")
        for _, text in found:
            by_text.setdefault(text, []).append(label)

    lines = ["What this program contains, and under which terms.", ""]
    for text, labels in sorted(by_text.items(), key=lambda it: it[1]):
        lines += ["=" * 78, *sorted(set(labels)), "-" * 78, text, ""]
    lines += ["=" * 78, "Without a file of their own, under the licences named:", *BESIDE, *bare, ""]
    file.write_text("\n".join(lines), encoding="utf-8")
    print(f"{file.name}: {len(crates)} crates, {len(by_text)} texts, {len(bare)} without a file")


if __name__ == "__main__":
    main()
