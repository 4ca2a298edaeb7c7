#!/usr/bin/env bash
# Drives real editors with the built program: ghost text in Neovim, Emacs and VS Code, the completion menu in Helix.
#
#   scripts/test-editors.sh TARGET [neovim] [helix] [emacs] [vscode]
#
# The editors are fetched into TARGET/editors (scripts/get-editors.sh). One that cannot be had within
# a few minutes is skipped with a line that says so. Measured times and screens land in TARGET/editors/report.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."

# VS Code comes another way, and getting it takes minutes: it is driven last.
with_vscode=no
others=()
for name in "$@"; do
  case $name in
    neovim | helix | emacs) others+=("$name") ;;
    vscode) with_vscode=yes ;;
    *) echo "unknown editor \`$name\`" >&2; exit 2 ;;
  esac
done

drive_vscode() {
  scripts/get-vscode.sh "$target/editors" </dev/null
  local bin=$target/editors/bin log=$target/editors/vsix.log
  [ -x "$bin/code-server" ] || return 0
  scripts/test-vscode.sh "$target" >"$log" 2>&1 || { cat "$log"; return 1; }
  if grep '^skip:' "$log"; then return 0; fi
  "$bin/node24" tests/editors/vscode.mjs --editor "$bin/code-server" --extension "$target/ghostline.vsix" \
    --ghostline "$target/release/ghostline" --report "$target/editors/report" </dev/null
}

# The program that get-editors.sh leaves, and what else has to be installed.
program() { case $1 in neovim) echo nvim ;; helix) echo hx ;; emacs) echo emacs ;; esac; }
needs() { case $1 in helix | emacs) echo tmux ;; esac; }

command -v python3 >/dev/null || { echo "skip: $*: Python 3 is not installed"; exit 0; }
if [ ${#others[@]} -gt 0 ]; then
  seconds=60 limit=()
  # Emacs is 100 MB, with lsp-mode to compile.
  case " ${others[*]} " in *" emacs "*) seconds=240 ;; esac
  command -v timeout >/dev/null && limit=(timeout "$seconds")
  "${limit[@]}" scripts/get-editors.sh "$target/editors" "${others[@]}" </dev/null ||
    echo "skip: the editors could not be fetched within $seconds seconds"
fi

failed=0
for name in "${others[@]}"; do
  editor=$target/editors/bin/$(program "$name")
  [ -x "$editor" ] || continue
  tool=$(needs "$name")
  if [ -n "$tool" ] && ! command -v "$tool" >/dev/null; then
    echo "skip: $name: $tool, which it is driven in, is not installed"
    continue
  fi
  python3 "tests/editors/$name.py" --editor "$editor" \
    --ghostline "$target/release/ghostline" --report "$target/editors/report" </dev/null || failed=1
done
[ "$with_vscode" = no ] || drive_vscode || failed=1
exit "$failed"
