"""From fetched packages to the corpus: what may be used, is written by hand, and was not seen before.

    python -m recipe.corpus --crates metadata.json --wheels site --out FOLDER --table corpus.tsv

Writes FOLDER/corpus.jsonl (one file a line: language, package, version, licence, split, path, text), the held-out
files as they are in FOLDER/heldout/LANGUAGE/PACKAGE/…, and the table of packages that the card is made of.
The corpus is never committed; the table is.
"""

import argparse
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import cleaning, duplicates, licences, packages
from .fetch import LISTS
from .packages import Package
from .progress import say

COLUMNS = ("language", "package", "version", "licence", "split", "files", "bytes")


@dataclass(frozen=True)
class Source:
    """A file of a package; its text is read again when it is written, so that a corpus needn't fit into memory."""

    package: Package
    path: str
    split: str

    def text(self) -> str | None:
        """`None` if it cannot be read as UTF-8."""
        try:
            return cleaning.normalise((self.package.root / self.path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def record(self, text: str) -> dict[str, str]:
        package = self.package
        return {
            "language": package.language, "package": package.name, "version": package.version,
            "licence": package.licence, "split": self.split, "path": self.path, "text": text,
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crates", type=Path, required=True, help="the output of cargo metadata")
    parser.add_argument("--wheels", type=Path, required=True, help="folder of unpacked wheels")
    parser.add_argument("--lists", type=Path, default=LISTS)
    parser.add_argument("--no-standard-libraries", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="where to write the table of packages")
    options = parser.parse_args()
    found = [*packages.crates(options.crates), *packages.wheels(options.wheels)]
    if not options.no_standard_libraries:
        found += packages.standard_libraries()
    held_out = {language: held_out_names(options.lists / f"{language}.txt") for language in packages.SUFFIXES}
    dropped: Counter[str] = Counter()
    allowed = [package for package in found if is_allowed(package, dropped)]
    sources = ordered(allowed, held_out)
    say(f"{len(found)} packages, {len(allowed)} of them permissive and hand-written, {len(sources)} files")
    options.out.mkdir(parents=True, exist_ok=True)
    table = write(kept(sources, dropped), options.out)
    for reason, count in sorted(dropped.items()):
        say(f"dropped: {reason}: {count}")
    if options.table:
        options.table.write_text(table_text(table))
    for split in ("train", "held-out"):
        for language in packages.SUFFIXES:
            rows = [value for key, value in table.items() if key[0] == language and key[4] == split]
            size = sum(n_bytes for _, n_bytes in rows) / 1e6
            say(f"{split} {language}: {len(rows)} packages, {sum(n for n, _ in rows)} files, {size:.1f} MB")


def held_out_names(path: Path) -> set[str]:
    return {name for name, is_held_out in packages.read_list(path).items() if is_held_out}


def is_allowed(package: Package, dropped: Counter[str]) -> bool:
    if cleaning.is_skipped_package(package.name):
        dropped[f"{package.language} package: bindings or tables"] += 1
    elif not licences.is_permissive(package.licence):
        dropped[f"{package.language} package: licence"] += 1
        say(f"not used: {package.name} {package.version}: {package.licence or 'no licence'}")
    else:
        return True
    return False


def ordered(allowed: list[Package], held_out: dict[str, set[str]]) -> list[Source]:
    """Held-out packages first, so that copies of their files are what is dropped; then the newest releases first."""
    sources = []
    for package in allowed:
        split = "held-out" if package.name in held_out[package.language] else "train"
        sources += [Source(package, path, split) for path in package.files if not cleaning.is_skipped_path(path)]

    def key(source: Source) -> tuple:
        package = source.package
        return (source.split != "held-out", package.language, package.name, newest_first(package.version), source.path)

    return sorted(sources, key=key)


def newest_first(version: str) -> list[int]:
    return [-int(number) for number in re.findall(r"\d+", version)[:4]]


def kept(sources: list[Source], dropped: Counter[str]) -> Iterator[tuple[Source, str]]:
    """The files that pass every rule, with their text; the others are counted by the rule that dropped them."""
    seen = duplicates.Seen()
    for number, source in enumerate(sources, 1):
        if number % 10_000 == 0:
            say(f"{number} of {len(sources)} files read")
        text = source.text()
        if text is None:
            reason = "unreadable"
        else:
            reason = cleaning.reason_to_drop(text) or seen.reason_to_drop(text)
        if reason is None:
            yield source, text
        else:
            dropped[f"{source.package.language} file: {reason}"] += 1


def write(files: Iterator[tuple[Source, str]], out: Path) -> dict[tuple[str, ...], tuple[int, int]]:
    """The corpus and the held-out files; files and bytes per package. The corpus appears whole or not at all."""
    table: dict[tuple[str, ...], tuple[int, int]] = {}
    held_out = out / "heldout"
    shutil.rmtree(held_out, ignore_errors=True)
    unfinished = out / "corpus.jsonl.part"
    with unfinished.open("w", encoding="utf-8") as lines:
        for source, text in files:
            package = source.package
            key = (package.language, package.name, package.version, package.licence, source.split)
            n_files, n_bytes = table.get(key, (0, 0))
            table[key] = (n_files + 1, n_bytes + len(text.encode()))
            lines.write(json.dumps(source.record(text), ensure_ascii=False) + "\n")
            if source.split == "held-out":
                place = held_out / package.language / package.name / source.path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")
    unfinished.replace(out / "corpus.jsonl")
    return table


def table_text(table: dict[tuple[str, ...], tuple[int, int]]) -> str:
    rows = [COLUMNS, *((*key, str(n_files), str(n_bytes)) for key, (n_files, n_bytes) in sorted(table.items()))]
    return "".join("\t".join(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
