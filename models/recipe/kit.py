"""The CUDA kit: one folder of at most 60 MB that trains on a machine with torch, a GPU and no network.

    python -m recipe.kit pack FOLDER --corpus corpus.jsonl [--megabytes 350]
    python -m recipe.kit join FOLDER OUT            on this side again: the pieces become OUT/checkpoint.pt

The text travels as text, not as tokens: ids compress only 5 % better, and cursors then could not stand inside words.
`tokenizers` travels as a wheel, because a machine for training may lack it.
"""

import argparse
import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import store
from .progress import say
from .tokenizer import COMMITTED

HERE = Path(__file__).parent
MODULES = (
    "__init__", "data", "fim", "growing", "model", "neighbours", "optimizer", "progress",
    "quality", "spans", "store", "together", "tokens", "train",
)  # fmt: skip
MAX_BYTES = 60_000_000
#: Measured on 24 MB samples of either language: text becomes 6.4 to 7.5 times smaller with a large dictionary.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 256 << 20, "lc": 4, "lp": 0, "pb": 0}]


def pack(folder: Path, corpus: Path, megabytes: float) -> None:
    """Smaller and smaller until it fits."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "recipe").mkdir(parents=True)
    for module in MODULES:
        shutil.copy(HERE / f"{module}.py", folder / "recipe")
    shutil.copy(HERE / "cuda.sh", folder)
    shutil.copy(COMMITTED, folder / "tokenizer.json")
    add_wheel(folder)
    while True:
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            store.build(corpus, Path(scratch), megabytes)
            for name in ("store.bin", "store.json"):
                compress(Path(scratch) / name, folder / f"{name}.xz")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        say(f"{megabytes:.0f} MB of training text make a kit of {size / 1e6:.1f} MB")
        if size <= MAX_BYTES:
            return
        megabytes *= 0.97 * MAX_BYTES / size


def add_wheel(folder: Path) -> None:
    """`tokenizers` alone: what it depends on is for downloads only."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    version = next(line.strip() for line in (HERE.parent / "requirements.txt").open() if line.startswith("tokenizers"))
    subprocess.run([*command, "--dest", str(folder), version], check=True)


def compress(source: Path, target: Path) -> None:
    with source.open("rb") as plain, lzma.open(target, "wb", format=lzma.FORMAT_XZ, filters=FILTERS) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def join(folder: Path, out: Path) -> None:
    """The pieces of the newest checkpoint that was brought, and its log."""
    pieces = sorted(folder.glob("weights.pt.*"))
    if not pieces:
        raise SystemExit(f"there are no `weights.pt.*` in {folder}; bring them with `cuda.sh bring` first")
    out.mkdir(parents=True, exist_ok=True)
    with (out / "checkpoint.pt").open("wb") as whole:
        for piece in pieces:
            whole.write(piece.read_bytes())
    for name in ("log.jsonl", "summary.json"):
        if (folder / name).exists():
            shutil.copy(folder / name, out / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--corpus", type=Path, required=True)
    packing.add_argument("--megabytes", type=float, default=350)
    joining = commands.add_parser("join")
    joining.add_argument("folder", type=Path)
    joining.add_argument("out", type=Path)
    options = parser.parse_args()
    if options.command == "pack":
        pack(options.folder, options.corpus, options.megabytes)
    else:
        join(options.folder, options.out)


if __name__ == "__main__":
    main()
