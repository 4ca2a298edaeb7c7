#!/usr/bin/env bash
# Finds what compiling llama.cpp needs beyond Rust and a C++ compiler, cmake and libclang, and installs what
# is missing. Writes TARGET/setup.env, which the Makefile sources before cargo runs.
#
#   scripts/setup.sh TARGET
#
# The file is empty where the system has both, so that `make` and a plain `cargo build` see the same
# environment: cargo compiles llama.cpp again whenever one of these variables changes.
set -euo pipefail

target=${1:?usage: setup.sh TARGET}
mkdir -p "$target"
target=$(cd "$target" && pwd)
tools=$target/tools
env_file=$target/setup.env

# GHOSTLINE_SETUP=wheels passes over the system's packages: how the way without root is tested.
only_wheels=false
[ "${GHOSTLINE_SETUP:-}" != wheels ] || only_wheels=true

say() { echo "setup: $*" >&2; }
# True when one of the files named exists; the patterns are the caller's, expanded by the shell.
any() { for file in "$@"; do [ -e "$file" ] && return 0; done; return 1; }

has_cmake() { ! $only_wheels && command -v cmake >/dev/null; }

# libclang alone is not enough: bindgen needs clang's own headers (stddef.h) beside it.
has_libclang() {
  ! $only_wheels || return 1
  if [ -n "${LIBCLANG_PATH:-}" ]; then any "$LIBCLANG_PATH"/libclang*; return; fi
  case $(uname -s) in
    Darwin) any /Library/Developer/CommandLineTools/usr/lib/libclang.dylib /Applications/Xcode*.app/Contents/Developer/Toolchains/*/usr/lib/libclang.dylib /opt/homebrew/opt/llvm*/lib/libclang.dylib /usr/local/opt/llvm*/lib/libclang.dylib ;;
    *) any /usr/lib/llvm-*/lib/libclang[.-]*so* /usr/lib{,64}/libclang[.-]*so* /usr/lib/*-linux-*/libclang[.-]*so* /usr/local/lib*/libclang[.-]*so* &&
      any /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib{,64}/clang/*/include/stddef.h /usr/local/lib*/clang/*/include/stddef.h ;;
  esac
}

has_wheel_cmake() { [ -x "$tools/bin/cmake" ] && "$tools/bin/cmake" --version >/dev/null 2>&1; }
# The folder of the wheel's libclang, or nothing.
wheel_libclang() {
  for folder in "$tools"/venv/lib/python3*/site-packages/clang/native "$tools"/wheels/clang/native; do
    if any "$folder"/libclang.*; then echo "$folder"; return; fi
  done
}

# Runs the command as root: directly, or by sudo where that asks no password. Fails where neither is so.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

install_with_apt() {
  ! $only_wheels && command -v apt-get >/dev/null && as_root true || return 1
  say "installing $* with apt-get"
  { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    </dev/null >"$target/setup.log" 2>&1 && return 0
  say "apt-get did not succeed: $(tail -n 1 "$target/setup.log")"
  return 1
}

install_with_brew() {
  ! $only_wheels && [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null || return 1
  say "installing $* with Homebrew"
  brew install --quiet "$@" </dev/null >"$target/setup.log" 2>&1
}

# Installs Python wheels under TARGET/tools: into a venv, or, where Python lacks venv, into a plain folder.
install_wheels() {
  command -v python3 >/dev/null || return 1
  say "installing $* as Python wheels into $tools"
  mkdir -p "$tools/bin"
  if [ -x "$tools/venv/bin/pip" ] || python3 -m venv "$tools/venv" >"$target/setup.log" 2>&1; then
    "$tools/venv/bin/python" -m pip install --quiet "$@" </dev/null >>"$target/setup.log" 2>&1
  else
    rm -rf "$tools/venv"
    python3 -m pip install --quiet --target "$tools/wheels" "$@" </dev/null >>"$target/setup.log" 2>&1
  fi || { say "pip did not succeed: $(tail -n 1 "$target/setup.log")"; return 1; }
  # The wheel carries the whole program; its console script starts it with the venv's Python, which
  # needs no more than a link here.
  for cmake in "$tools"/venv/lib/python3*/site-packages/cmake/data/bin/cmake "$tools"/wheels/cmake/data/bin/cmake; do
    [ ! -x "$cmake" ] || ln -sf "$cmake" "$tools/bin/cmake"
  done
}

give_up() {
  case $(uname -s) in
    Darwin) say "$1 is missing. Install it and run make again: xcode-select --install && brew install cmake" ;;
    *) say "$1 is missing. Install it and run make again, on Debian and Ubuntu: sudo apt-get install cmake libclang-dev" ;;
  esac
  exit 1
}

command -v cargo >/dev/null || { say "Rust is missing. Install it from https://rustup.rs and run make again"; exit 1; }
command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || give_up "a C++ compiler"

needed=()
has_cmake || has_wheel_cmake || needed+=(cmake)
has_libclang || [ -n "$(wheel_libclang)" ] || needed+=(libclang)
if [ ${#needed[@]} -gt 0 ]; then
  packages=("${needed[@]/libclang/libclang-dev}")
  formulas=("${needed[@]/libclang/llvm}")
  # bounds within which llama.cpp and bindgen are known to work
  wheels=("${needed[@]/%cmake/cmake>=3.25,<5}")
  wheels=("${wheels[@]/%libclang/libclang>=14,<19}")
  install_with_apt "${packages[@]}" || install_with_brew "${formulas[@]}" || install_wheels "${wheels[@]}" || true
fi
has_cmake || has_wheel_cmake || give_up cmake
has_libclang || [ -n "$(wheel_libclang)" ] || give_up libclang

# What the wheels need to be found. Nothing when the system has its own.
lines=
has_cmake || lines+="export PATH='$tools/bin':\"\$PATH\""$'\n'
if ! has_libclang; then
  lines+="export LIBCLANG_PATH='$(wheel_libclang)'"$'\n'
  # The wheel is the library alone; the compiler's own headers stand in for clang's.
  headers=$(gcc -print-file-name=include 2>/dev/null || true)
  [ ! -e "$headers/stddef.h" ] || lines+="export BINDGEN_EXTRA_CLANG_ARGS='-I$headers'"$'\n'
fi
printf '%s' "$lines" | cmp -s - "$env_file" || printf '%s' "$lines" >"$env_file"
