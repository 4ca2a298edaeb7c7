"""The corpus as training reads it: all texts in one mapped file, and an index small enough to hold in memory.

    python -m recipe.store corpus.jsonl FOLDER [--megabytes N]

`--megabytes` keeps the best of the training text only, half of it of each language, for a kit that has to travel:
files that count less (tests, packages that are large already) go first.
"""

import argparse
import bisect
import hashlib
import itertools
import json
import mmap
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from .tokens import LANGUAGES

#: A package above this size counts less the larger it is: its own habits would become the model's.
FULL_WEIGHT_BYTES = 4_000_000
TEST_WEIGHT = 0.6
TEST_PATH = re.compile(r"(^|/)(tests?|testing|test_[^/]*|[^/]*_tests?\.[a-z]+|benches|examples)(/|$)|(^|/)test_")


@dataclass(frozen=True)
class File:
    offset: int
    length: int
    language: int
    package: str
    is_held_out: bool
    weight: float


def build(corpus: Path, folder: Path, megabytes: float | None = None) -> None:
    """Writes FOLDER/store.bin and FOLDER/store.json."""
    sizes: Counter[tuple[str, str]] = Counter()
    with corpus.open(encoding="utf-8") as lines:
        described = [_described(json.loads(line), sizes) for line in lines]
    weights = [weight_of(path, sizes[language, package]) for language, package, _, path, _ in described]
    wanted = set(range(len(described))) if megabytes is None else best(described, weights, megabytes * 1e6)
    folder.mkdir(parents=True, exist_ok=True)
    files, offset = [], 0
    with corpus.open(encoding="utf-8") as lines, (folder / "store.bin").open("wb") as store:
        for idx, line in enumerate(lines):
            if idx not in wanted:
                continue
            language, package, split, _, length = described[idx]
            store.write(json.loads(line)["text"].encode())
            files.append((offset, length, LANGUAGES[language], package, split == "held-out", round(weights[idx], 3)))
            offset += length
    (folder / "store.json").write_text(json.dumps(files))


def _described(record: dict, sizes: Counter) -> tuple[str, str, str, str, int]:
    length = len(record["text"].encode())
    sizes[record["language"], record["package"]] += length
    return record["language"], record["package"], record["split"], record["path"], length


def weight_of(path: str, package_bytes: int) -> float:
    """How often a file is drawn, per byte."""
    weight = min(1.0, (FULL_WEIGHT_BYTES / max(package_bytes, 1)) ** 0.5)
    return weight * (TEST_WEIGHT if TEST_PATH.search(path) else 1.0)


def best(described: list[tuple[str, str, str, str, int]], weights: list[float], n_bytes: float) -> set[int]:
    """All held-out files, and of each language the training files that count most, up to half of `n_bytes`."""
    chosen = set()
    room = {language: n_bytes / 2 for language in LANGUAGES}

    def key(idx: int) -> tuple[float, bytes]:
        _, package, _, path, _ = described[idx]
        return -round(weights[idx], 2), hashlib.blake2b(f"{package}/{path}".encode()).digest()

    for idx in sorted(range(len(described)), key=key):
        language, _, split, _, length = described[idx]
        if split == "held-out":
            chosen.add(idx)
        elif length <= room[language]:
            room[language] -= length
            chosen.add(idx)
    return chosen


class Store:
    """Read access; the texts stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.files = [File(*row) for row in json.loads((folder / "store.json").read_text())]
        with (folder / "store.bin").open("rb") as file:
            self._texts = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._of_package: defaultdict[str, list[int]] = defaultdict(list)
        for idx, file in enumerate(self.files):
            if not file.is_held_out:
                self._of_package[file.package].append(idx)

    def text(self, idx: int) -> str:
        file = self.files[idx]
        return self._texts[file.offset : file.offset + file.length].decode()

    def neighbours(self, idx: int, count: int, rng: random.Random) -> list[int]:
        """At most `count` other training files of the same package."""
        others = self._of_package[self.files[idx].package]
        picked = {rng.choice(others) for _ in range(count)} if others else set()
        return sorted(picked - {idx})

    def draw(self, language: int, is_held_out: bool = False) -> "Draw":
        return Draw(self.files, language, is_held_out)


class Draw:
    """Draws files of one language, the larger and the weightier the more often."""

    def __init__(self, files: list[File], language: int, is_held_out: bool) -> None:
        self.ids = [
            idx for idx, file in enumerate(files) if file.language == language and file.is_held_out == is_held_out
        ]
        weights = (files[idx].length * (1.0 if is_held_out else files[idx].weight) for idx in self.ids)
        self._sums = list(itertools.accumulate(weights))

    def __call__(self, rng: random.Random) -> int:
        return self.ids[min(bisect.bisect(self._sums, rng.random() * self._sums[-1]), len(self.ids) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float)
    options = parser.parse_args()
    build(options.corpus, options.folder, options.megabytes)


if __name__ == "__main__":
    main()
