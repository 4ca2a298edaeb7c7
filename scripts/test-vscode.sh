#!/usr/bin/env bash
# Tests the VS Code extension and packs it: unit tests, types, TARGET/ghostline.vsix.
#
#   scripts/test-vscode.sh TARGET
#
# Needs Node 20 with npm. Without them, or when npm cannot fetch the packages, it says `skip: …` and
# succeeds; with GHOSTLINE_STRICT=1 a failed fetch is an error.
set -euo pipefail

target=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../editors/vscode"

skip() { echo "skip: VS Code extension: $*"; exit 0; }
command -v node >/dev/null && command -v npm >/dev/null || skip "Node and npm are not installed"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || skip "Node 20 or newer is needed, this is $(node --version)"

# npm ci takes seconds and the network: only when the locked packages have changed.
if ! cmp -s package-lock.json node_modules/.locked; then
  if ! npm ci --no-audit --no-fund --loglevel=error </dev/null >"$target/npm.log" 2>&1; then
    tail -n 5 "$target/npm.log" >&2
    [ "${GHOSTLINE_STRICT:-0}" = 0 ] || exit 1
    skip "npm could not fetch its packages"
  fi
  cp package-lock.json node_modules/.locked
fi
npm test --silent
npm run --silent package -- --out "$target/ghostline.vsix"
