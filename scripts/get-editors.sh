#!/usr/bin/env bash
# Puts real editors for the tests where they disturb nobody: Neovim 0.12, Helix 25.07 and Emacs 30 with lsp-mode 10
# out of a newer Debian suite, unpacked under DIR; the system's own packages stay as they are, and no root is needed.
#
#   scripts/get-editors.sh DIR [neovim] [helix] [emacs]      default: all
#
# Leaves DIR/bin/nvim, DIR/bin/hx, DIR/bin/emacs and DIR/bin/emacsclient. An editor that is already on the PATH and new enough is linked
# there instead (Emacs is not: it has to know lsp-mode, too). Always exits 0: an editor that cannot be had gets a line
# `skip: …` on stdout, and the tests that need it read the same from its absence.
set -euo pipefail

dir=${1:?usage: get-editors.sh DIR [neovim] [helix] [emacs]}
shift
[ $# -gt 0 ] || set -- neovim helix emacs
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
suite=${GHOSTLINE_EDITOR_SUITE:-forky}

# Neovim has vim.lsp.inline_completion since 0.12; Helix renders our completion items right since 25.07.
# Both print their version as the second word of the first line.
minimum() { case $1 in neovim) echo 0.12 ;; helix) echo 25.07 ;; emacs) echo 30 ;; esac; }
binary() { case $1 in neovim) echo nvim ;; helix) echo hx ;; emacs) echo emacs ;; esac; }
packages() { case $1 in neovim) echo neovim ;; helix) echo hx ;; emacs) echo emacs-nox elpa-lsp-mode ;; esac; }

version_of() { { "$1" --version 2>/dev/null || true; } | sed -n '1s/^[^0-9]*\([0-9][0-9.]*\).*/\1/p'; }
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# True when DIR/bin holds a working editor that is new enough, or the PATH does.
is_there() {
  local name=$1 program own found
  program=$(binary "$name")
  own=$dir/bin/$program
  if [ -x "$own" ] && at_least "$(version_of "$own")" "$(minimum "$name")"; then return 0; fi
  rm -f "$own"
  [ "$name" != emacs ] || return 1
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
  rm -rf "$work"
  mkdir -p "$work"/lists/partial "$work"/cache/archives/partial "$dir/root"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  options=(-qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Dir::State::status=/dev/null
    -o APT::Keep-Downloaded-Packages=true -o Acquire::Languages=none -o Debug::NoLocking=true
    -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update >"$work/log" 2>&1 ||
    skip "the package lists of Debian \`$suite\` cannot be fetched ($(tail -n 1 "$work/log"))"
  wanted=()
  for name in "${missing[@]}"; do read -ra names <<<"$(packages "$name")"; wanted+=("${names[@]}"); done
  apt-get "${options[@]}" install -y --no-install-recommends --download-only "${wanted[@]}" >"$work/log" 2>&1 ||
    skip "Debian \`$suite\` has no ${missing[*]} for this machine ($(tail -n 1 "$work/log"))"
  for file in "$work"/cache/archives/*.deb; do
    case ${file##*/} in
      # Emacs depends on a C compiler, for a compiler of Lisp that we don't use, and lsp-mode on Emacs' own sources.
      *-dev_* | binutils* | emacs-el_* | gcc-* | lib*san[0-9]_* | linux-* | libasound*) ;;
      *) dpkg-deb -x "$file" "$dir/root" ;;
    esac
  done
  rm -rf "$work"

  # The programs are started through the C library they were built against. Unlike LD_LIBRARY_PATH this is
  # not inherited, so the language servers they start run on the system's own libraries.
  loader=$(find "$dir/root" -path '*-linux-gnu/*' -name 'ld-linux*.so.*' -print -quit)
  [ -n "$loader" ] || skip "the packages of Debian \`$suite\` came without a C library"
  libraries=$(dirname "$loader")
  launcher() { # NAME ARGV0 ELF-AND-ARGUMENTS EXPORTS…
    local name=$1 argv0=$2 elf=$3
    shift 3
    printf '#!/bin/sh\nexport %s\nexec %s --argv0 %s --library-path %s %s "$@"\n' \
      "$*" "$loader" "$argv0" "$libraries" "$elf" >"$dir/bin/$name"
    chmod +x "$dir/bin/$name"
  }
  usr=$dir/root/usr
  # Emacs looks for its compiled Lisp beside the program, and for the rest where these say. The packages for
  # Emacs come as sources; the system's package manager would compile them on installation.
  emacs_launcher() {
    local share elsewhere elpa lisp
    share=$(echo "$usr"/share/emacs/[0-9]*) elsewhere=$(echo "$usr"/libexec/emacs/[0-9]*/*) elpa=$usr/share/emacs/site-lisp/elpa-src
    lisp=$({ find "$share/lisp" -type d; find "$elpa" -mindepth 1 -maxdepth 1 -type d; } | paste -sd :)
    launcher emacs "$usr/bin/emacs" "$usr/bin/emacs-nox --dump-file=$(echo "$elsewhere"/*.pdmp)" \
      "EMACSLOADPATH=$lisp EMACSDATA=$share/etc EMACSDOC=$share/etc EMACSPATH=$elsewhere"
    launcher emacsclient emacsclient "$usr/bin/emacsclient.emacs" LC_ALL=C.UTF-8
    "$dir/bin/emacs" -Q --batch --eval '(setq native-comp-jit-compilation nil byte-compile-warnings nil)' -f batch-byte-compile \
      "$elpa"/{dash,f,ht,lv,s,spinner,markdown-mode}-*/*.el "$elpa"/lsp-mode-*/lsp-{mode,protocol,completion,inline-completion}.el \
      >/dev/null 2>&1 || true
  }
  for name in "${missing[@]}"; do
    case $name in
      neovim) launcher nvim nvim "$usr/bin/nvim" "VIMRUNTIME=$usr/share/nvim/runtime" ;;
      helix) launcher hx hx "$usr/lib/hx/hx" "HELIX_RUNTIME=$usr/lib/hx/runtime" ;;
      emacs) emacs_launcher ;;
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
