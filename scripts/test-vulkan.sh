#!/usr/bin/env bash
# Runs the Vulkan back end for real, on Mesa's software device, against the processor: logits, greedy text, and what
# happens when a file or the device's memory is not as it should be.
#
#   scripts/test-vulkan.sh BUILD
#
# BUILD is the target folder for builds with back ends as files; `make dist` uses the same. Where the back end or the
# device cannot be had it says `skip: …` and succeeds; with GHOSTLINE_STRICT=1 that is an error.
set -euo pipefail

build=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
run() { scripts/with-backends.sh "$build" "$@"; }

run build --release --locked --features backends
backends=$(ls -td "$build"/release/build/llama-cpp-sys-2-*/out/backends | head -n 1)
if [ ! -e "$backends/libggml-vulkan.so" ] || [ ! -e "$build/vulkan/device.json" ]; then
  echo "skip: Vulkan: the back end or Mesa's software device is missing"
  [ "${GHOSTLINE_STRICT:-0}" = 0 ] || exit 1
  exit 0
fi
# By default a software device is not used: the back ends for processors are faster.
export VK_DRIVER_FILES=$build/vulkan/device.json VK_ICD_FILENAMES=$build/vulkan/device.json GGML_VK_VISIBLE_DEVICES=0
export GHOSTLINE_BACKENDS=$backends GHOSTLINE_TEST_DEVICE=Vulkan0
# What stands for a device whose memory runs out in the middle of the work.
layers=$build/vulkan/layers
mkdir -p "$layers"
"${CC:-cc}" -O1 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -I"$build/vulkan/sdk/include" \
  -o "$layers/libexhausted.so" tests/backends/exhausted.c
cat >"$layers/exhausted.json" <<JSON
{"file_format_version": "1.2.0", "layer": {"name": "VK_LAYER_GHOSTLINE_exhausted", "type": "INSTANCE",
 "library_path": "$layers/libexhausted.so", "api_version": "1.3.0", "implementation_version": "1",
 "description": "a device without memory"}}
JSON
export GHOSTLINE_TEST_LAYERS=$layers
run test --release --locked --features backends --test backends -- --nocapture --test-threads=1
