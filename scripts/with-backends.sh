#!/usr/bin/env bash
# Runs cargo so that back ends are files: all variants for processors, and Vulkan's where it can be built.
#
#   scripts/with-backends.sh TARGET cargo-command ARGUMENTS…
#
# TARGET is a target folder of its own: nothing of it fits the default build, which is made for this machine's processor.
# GGML_CUDA=ON, GGML_HIP=ON and the like in the environment add their back ends where their compilers are installed.
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
export CARGO_TARGET_DIR=$target
exec cargo "$@"
