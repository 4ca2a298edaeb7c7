#!/usr/bin/env bash
# Puts what the Vulkan back end is built with where it disturbs nobody: headers as llama.cpp wants them (1.3.280 or newer;
# Debian 12's are too old), the loader to link with, the shader compiler, and Mesa's software device to test on.
#
#   scripts/get-vulkan.sh DIR
#
# Leaves DIR/sdk in the shape of a Vulkan SDK, to be named by VULKAN_SDK, and DIR/device.json, the software device, to be
# named by VK_DRIVER_FILES. Where VULKAN_SDK is set already, that is taken. Always exits 0: what cannot be had gets a
# line `skip: …` on stdout, and is told by the absence of the file.
set -euo pipefail

dir=${1:?usage: get-vulkan.sh DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# The headers are text and fit any compiler; the rest runs here, and comes from this system's own suite.
suite=${GHOSTLINE_VULKAN_SUITE:-trixie}
needed=280

skip() {
  echo "skip: $*"
  exit 0
}

header_version() { sed -n 's/^#define VK_HEADER_VERSION \([0-9]*\).*/\1/p' "$1/include/vulkan/vulkan_core.h" 2>/dev/null || true; }
is_sdk() {
  local version
  version=$(header_version "$1")
  [ -n "$version" ] && [ "$version" -ge "$needed" ] && [ -e "$1/include/vulkan/vulkan.hpp" ]
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi; }

# What runs here: from the system, installed where we may, else unpacked beside it.
has_tools() { command -v glslc >/dev/null && compgen -G '/usr/lib/*/libvulkan.so*' >/dev/null && compgen -G '/usr/share/cmake/SPIRV-Headers/*' >/dev/null || command -v glslc >/dev/null && [ -e /usr/include/spirv/unified1/spirv.hpp ]; }
device() { compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1 || true; }
if { ! has_tools || [ -z "$(device)" ]; } && command -v apt-get >/dev/null; then
  { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    glslc libvulkan-dev spirv-headers mesa-vulkan-drivers; } </dev/null >"$dir/log" 2>&1 || true
fi
has_tools || skip "the Vulkan back end: glslc, libvulkan-dev and spirv-headers are not installed (Debian, Ubuntu: sudo apt-get install glslc libvulkan-dev spirv-headers)"

if [ -n "$(device)" ]; then ln -sf "$(device)" "$dir/device.json"; else echo "skip: the software device: mesa-vulkan-drivers is not installed"; fi

if [ -n "${VULKAN_SDK:-}" ] && is_sdk "$VULKAN_SDK"; then
  rm -rf "$dir/sdk" && ln -s "$VULKAN_SDK" "$dir/sdk"
elif is_sdk /usr; then
  rm -rf "$dir/sdk" && ln -s /usr "$dir/sdk"
elif ! is_sdk "$dir/sdk"; then
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  command -v dpkg-deb >/dev/null && [ -r "$keyring" ] ||
    skip "the Vulkan back end: its headers are older than 1.3.$needed; install LunarG's Vulkan SDK and set VULKAN_SDK"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1 || true)
  [ -n "$mirror" ] || skip "the Vulkan back end: apt knows no package archive on this machine (run \`apt-get update\`?)"
  work=$dir/apt
  rm -rf "$work" "$dir/sdk"
  mkdir -p "$work"/lists/partial "$work"/cache/archives/partial
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  options=(-qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Dir::State::status=/dev/null
    -o Acquire::Languages=none -o Debug::NoLocking=true -o "APT::Sandbox::User=$(id -un)")
  { apt-get "${options[@]}" update && cd "$work" && apt-get "${options[@]}" download libvulkan-dev; } >"$work/log" 2>&1 ||
    skip "the Vulkan back end: libvulkan-dev of Debian \`$suite\` cannot be fetched ($(tail -n 1 "$work/log"))"
  dpkg-deb -x "$work"/libvulkan-dev_*.deb "$work/root"
  mkdir -p "$dir/sdk/lib" "$dir/sdk/bin"
  mv "$work/root/usr/include" "$dir/sdk/include"
  # To link with and to run are this system's own.
  ln -s "$(compgen -G '/usr/lib/*/libvulkan.so.1' | head -n 1)" "$dir/sdk/lib/libvulkan.so"
  ln -s "$(command -v glslc)" "$dir/sdk/bin/glslc"
  cd "$dir"
  rm -rf "$work"
fi
is_sdk "$dir/sdk" || skip "the Vulkan back end: the headers of Debian \`$suite\` are older than 1.3.$needed"
echo "vulkan headers 1.x.$(header_version "$dir/sdk"), $(glslc --version | head -n 1)"
