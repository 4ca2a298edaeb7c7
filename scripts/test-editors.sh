#!/usr/bin/env bash
# Drives real editors with the built program: ghost text in Neovim and VS Code, the completion menu in Helix.
#
#   scripts/test-editors.sh TARGET [neovim] [helix] [vscode]
#
# The editors are fetched into TARGET/editors (scripts/get-editors.sh). One that cannot be had within
# a minute is skipped with a line that says so. Measured times and screens land in TARGET/editors/report.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."

# VS Code comes another way, and getting it takes minutes: it is driven last.
with_vscode=no
others=()
for name in "$@"; do
  if [ "$name" = vscode ]; then with_vscode=yes; else others+=("$name"); fi
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

command -v python3 >/dev/null || { echo "skip: $*: Python 3 is not installed"; exit 0; }
limit=()
command -v timeout >/dev/null && limit=(timeout 60)
[ ${#others[@]} -eq 0 ] || "${limit[@]}" scripts/get-editors.sh "$target/editors" "${others[@]}" </dev/null ||
  echo "skip: the editors could not be fetched within a minute"

failed=0
for name in "${others[@]}"; do
  case $name in neovim) program=nvim ;; helix) program=hx ;; *) echo "unknown editor \`$name\`" >&2; exit 2 ;; esac
  [ -x "$target/editors/bin/$program" ] || continue
  if [ "$name" = helix ] && ! command -v tmux >/dev/null; then
    echo "skip: helix: tmux, which it is driven in, is not installed"
    continue
  fi
  python3 "tests/editors/$name.py" --editor "$target/editors/bin/$program" \
    --ghostline "$target/release/ghostline" --report "$target/editors/report" </dev/null || failed=1
done
[ "$with_vscode" = no ] || drive_vscode || failed=1
exit "$failed"
