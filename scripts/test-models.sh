#!/usr/bin/env bash
# Tests the recipe of the built-in model: lists, licences, cleaning, duplicates, training examples. Standard library
# only, so that nothing has to be installed; `make -C models test` runs the tests that need torch, too.
#
#   scripts/test-models.sh
set -euo pipefail
cd "$(dirname "$0")/../models"

python=$(command -v python3) || { echo "skip: the model's recipe: Python is not installed"; exit 0; }
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "skip: the model's recipe: Python 3.11 is needed, this is $("$python" --version)"
  exit 0
fi
"$python" -m unittest discover --start-directory tests --top-level-directory . --buffer
