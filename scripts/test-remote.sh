#!/usr/bin/env bash
# The same greedy text here and from a real llama.cpp server: tests/remote/compare.py.
#
# The server is `llama-server` of LLAMA_SERVER or of the PATH; else it is built once from the sources in the Python package
# llama-cpp-python and kept below the target folder (about ten minutes of processor time).
set -euo pipefail

target=$(realpath -m "${1:-target}")
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

server=${LLAMA_SERVER:-$(command -v llama-server || true)}
if [ -z "$server" ]; then
    folder=$target/llama-server
    server=$folder/build/bin/llama-server
    if [ ! -x "$server" ]; then
        mkdir -p "$folder"
        # Its own download tool needs no more than pip.
        python3 -m pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$folder" llama-cpp-python
        tar -xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder"
        source=$(echo "$folder"/llama_cpp_python-*/vendor/llama.cpp)
        # For this processor, with the extensions that ghostline uses (.cargo/config.toml): other kernels round otherwise,
        # and then another of two equally likely tokens wins. Without OpenMP, whose threads spin.
        flags="-U__AVX512FP16__ -U__AMX_INT8__"
        cmake -S "$source" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_OPENMP=OFF \
            -DGGML_NATIVE=ON -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
            -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF >"$folder/cmake.log"
        cmake --build "$folder/build" --target llama-server -j "$(nproc)" >>"$folder/cmake.log"
    fi
fi

python3 tests/remote/compare.py "$target/release/ghostline" "$server" models/ghostline-small-q8_0.gguf \
    benches/corpus/ledger.rs benches/corpus/scheduler.py
