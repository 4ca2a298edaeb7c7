#!/usr/bin/env bash
# Runs cargo so that back ends are files: all variants for processors, and Vulkan's where it can be built.
#
#   scripts/with-backends.sh TARGET cargo-command ARGUMENTS…
#
# TARGET is a target folder of its own: nothing of it fits the default build, which is made for this machine's processor.
# GGML_CUDA=ON, GGML_HIP=ON and the like in the environment add their back ends where their compilers are installed; each
# needs a TARGET that was built with it from the beginning.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."

# Where libraries are looked for that come with the program. Instead of `target-cpu=native`, too: the program itself is
# for every processor, what is particular is in the back ends.
case $(uname -s) in
  Darwin) export CMAKE_INSTALL_RPATH=@loader_path RUSTFLAGS=-Clink-arg=-Wl,-rpath,@executable_path/../lib/ghostline ;;
  Linux) export CMAKE_INSTALL_RPATH='$ORIGIN' RUSTFLAGS='-Clink-arg=-Wl,-rpath,$ORIGIN/../lib/ghostline' ;;
  *) export RUSTFLAGS= ;;
esac
if [ "${OS:-}" != Windows_NT ]; then
  scripts/setup.sh "$target"
  . "$target/setup.env"
fi
if [ -z "${GGML_VULKAN:-}" ] && [ "$(uname -s)" = Linux ]; then
  scripts/get-vulkan.sh "$target/vulkan" >&2
  if [ -e "$target/vulkan/sdk/include/vulkan/vulkan.hpp" ]; then
    export VULKAN_SDK=$target/vulkan/sdk GGML_VULKAN=ON
  fi
fi
# The back end for CUDA computes without NCCL, and with it would need it everywhere.
export GGML_CUDA_NCCL=${GGML_CUDA_NCCL:-OFF} CARGO_TARGET_DIR=$target
cargo "$@"

# llama.cpp's build script is run again when a variable changes that was set the last time, not when one is new.
backends=$(ls -td "$target"/release/build/llama-cpp-sys-2-*/out/backends 2>/dev/null | head -n 1) || exit 0
for name in cuda hip vulkan metal; do
  asked=GGML_$(tr a-z A-Z <<<"$name")
  if [ "${!asked:-OFF}" = ON ] && ! compgen -G "$backends/*ggml-$name.*" >/dev/null; then
    echo "with-backends.sh: $target was built without $asked=ON before; name a folder of its own (make dist DIST_BUILD=target/$name) or delete this one" >&2
    exit 1
  fi
done
