#!/usr/bin/env python3
"""Writes the licences of everything in the program into one file: of each crate, and of llama.cpp with what it contains.

    licences.py FILE [TARGET-TRIPLE]

FILE is to lie at the top of a release, whose files say which back ends to name. Ends with an error when a crate has
neither a licence file nor a licence that this knows by name.
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
]
# The same for the files of the back ends. CUDA's: what its sources include, by CCCL's own LICENSE and the heads of its
# files, and by attachment A of the CUDA Toolkit's agreement, which lists what may be passed on.
BESIDE_IN = {
    "vulkan": [
        "Vulkan-Hpp, in the back end for Vulkan (Apache-2.0 OR MIT), by The Khronos Group: https://github.com/KhronosGroup/Vulkan-Hpp",
    ],
    "cuda": [
        "Thrust (Apache-2.0; parts after Boost, BSL-1.0) and libcu++ (Apache-2.0 WITH LLVM-exception), of CCCL, in the back end for CUDA, by NVIDIA: https://github.com/NVIDIA/cccl",
        "libdevice and the headers for half precision, in the back end for CUDA (NVIDIA's agreement for the CUDA Toolkit): https://docs.nvidia.com/cuda/eula",
        "Not in this release: NVIDIA's driver and the CUDA runtime (libcudart, libcublas). Who uses the back end for CUDA installs them, under NVIDIA's terms.",
    ],
}
# Asks to be reproduced with programs; CCCL's newer headers no longer carry it.
CUB = """\
Copyright (c) 2010-2011, Duane Merrill.  All rights reserved.
Copyright (c) 2011-2026, NVIDIA CORPORATION.  All rights reserved.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:
   *  Redistributions of source code must retain the above copyright
      notice, this list of conditions and the following disclaimer.
   *  Redistributions in binary form must reproduce the above copyright
      notice, this list of conditions and the following disclaimer in the
      documentation and/or other materials provided with the distribution.
   *  Neither the name of the NVIDIA CORPORATION nor the
      names of its contributors may be used to endorse or promote products
      derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL NVIDIA CORPORATION BE LIABLE FOR ANY
DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES
(INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND
ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
(INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE."""


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

    # Where `dist.sh` has put them: `lib/ghostline`, on Windows `bin/backends`.
    back_ends = [name for name in BESIDE_IN if any(file.parent.glob(f"*/*/*ggml-{name}.*"))]
    if "cuda" in back_ends:
        by_text.setdefault(CUB, []).append("CUB, of CCCL, in the back end for CUDA (BSD-3-Clause)")
    beside = BESIDE + [line for name in back_ends for line in BESIDE_IN[name]]

    lines = ["What this program contains, and under which terms.", ""]
    for text, labels in sorted(by_text.items(), key=lambda it: it[1]):
        lines += ["=" * 78, *sorted(set(labels)), "-" * 78, text, ""]
    lines += ["=" * 78, "Without a file of their own, under the licences named:", *beside, *bare, ""]
    file.write_text("\n".join(lines), encoding="utf-8")
    print(f"{file.name}: {len(crates)} crates, {len(by_text)} texts, {len(bare)} without a file")


if __name__ == "__main__":
    main()
