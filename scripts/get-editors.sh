#!/usr/bin/env bash
# Puts real editors for the tests where they disturb nobody: Neovim 0.12 and Helix 25.07 out of a newer
# Debian suite, unpacked under DIR; the system's own packages stay as they are, and no root is needed.
#
#   scripts/get-editors.sh DIR [neovim] [helix]      default: both
#
# Leaves DIR/bin/nvim and DIR/bin/hx. An editor that is already on the PATH and new enough is linked there
# instead. Always exits 0: an editor that cannot be had gets a line `skip: …` on stdout, and the tests that
# need it read the same from its absence.
set -euo pipefail

dir=${1:?usage: get-editors.sh DIR [neovim] [helix]}
shift
[ $# -gt 0 ] || set -- neovim helix
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
suite=${GHOSTLINE_EDITOR_SUITE:-forky}

# Neovim has vim.lsp.inline_completion since 0.12; Helix renders our completion items right since 25.07.
# Both print their version as the second word of the first line.
minimum() { case $1 in neovim) echo 0.12 ;; helix) echo 25.07 ;; esac; }
binary() { case $1 in neovim) echo nvim ;; helix) echo hx ;; esac; }
package() { case $1 in neovim) echo neovim ;; helix) echo hx ;; esac; }

version_of() { { "$1" --version 2>/dev/null || true; } | sed -n '1s/^[^0-9]*\([0-9][0-9.]*\).*/\1/p'; }
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# True when DIR/bin holds a working editor that is new enough, or the PATH does.
is_there() {
  local name=$1 program own
  program=$(binary "$name")
  own=$dir/bin/$program
  if [ -x "$own" ] && at_least "$(version_of "$own")" "$(minimum "$name")"; then return 0; fi
  rm -f "$own"
  local found
  found=$(command -v "$program" || true)
  if [ -n "$found" ] && at_least "$(version_of "$found")" "$(minimum "$name")"; then
    ln -s "$found" "$own"
    return 0
  fi
  return 1
}

skip() {
  echo "skip: $*"
  exit 0
}

missing=()
for name in "$@"; do
  [ -n "$(binary "$name")" ] || { echo "get-editors.sh: unknown editor \`$name\`" >&2; exit 2; }
  is_there "$name" || missing+=("$name")
done

if [ ${#missing[@]} -gt 0 ]; then
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null || [ ! -r "$keyring" ]; then
    skip "no ${missing[*]} new enough on the PATH, and they can only be fetched on Debian"
  fi

  # apt keeps its lists and packages under DIR, so that the system's own state is never touched.
  # The mirror is the one that this machine's apt already uses.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1 || true)
  [ -n "$mirror" ] || skip "apt knows no package archive on this machine (run \`apt-get update\`?)"
  work=$dir/apt
  rm -rf "$work" "$dir/root"
  mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$dir/root"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  options=(-qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Dir::State::status=/dev/null
    -o APT::Keep-Downloaded-Packages=true -o Acquire::Languages=none -o Debug::NoLocking=true
    -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update >"$work/log" 2>&1 ||
    skip "the package lists of Debian \`$suite\` cannot be fetched ($(tail -n 1 "$work/log"))"
  packages=()
  for name in "${missing[@]}"; do packages+=("$(package "$name")"); done
  apt-get "${options[@]}" install -y --no-install-recommends --download-only "${packages[@]}" >"$work/log" 2>&1 ||
    skip "Debian \`$suite\` has no ${missing[*]} for this machine ($(tail -n 1 "$work/log"))"
  for file in "$work"/cache/archives/*.deb; do dpkg-deb -x "$file" "$dir/root"; done
  rm -rf "$work"

  # The programs are started through the C library they were built against. Unlike LD_LIBRARY_PATH this is
  # not inherited, so the language servers they start run on the system's own libraries.
  loader=$(find "$dir/root" -path '*-linux-gnu/*' -name 'ld-linux*.so.*' -print -quit)
  [ -n "$loader" ] || skip "the packages of Debian \`$suite\` came without a C library"
  libraries=$(dirname "$loader")
  launcher() { # NAME ELF VARIABLE RUNTIME
    printf '#!/bin/sh\nexport %s=%s\nexec %s --argv0 %s --library-path %s %s "$@"\n' \
      "$3" "$4" "$loader" "$1" "$libraries" "$2" >"$dir/bin/$1"
    chmod +x "$dir/bin/$1"
  }
  for name in "${missing[@]}"; do
    case $name in
      neovim) launcher nvim "$dir/root/usr/bin/nvim" VIMRUNTIME "$dir/root/usr/share/nvim/runtime" ;;
      helix) launcher hx "$dir/root/usr/lib/hx/hx" HELIX_RUNTIME "$dir/root/usr/lib/hx/runtime" ;;
    esac
  done
fi

for name in "$@"; do
  own=$dir/bin/$(binary "$name")
  found=$(version_of "$own")
  if at_least "$found" "$(minimum "$name")"; then
    echo "$name $found"
  else
    rm -f "$own"
    echo "skip: $name $(minimum "$name") or newer is needed, Debian \`$suite\` has ${found:-one that does not start here}"
  fi
done
