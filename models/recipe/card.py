"""Puts the program's own evaluation into the card: the tables between `<!-- eval NAME -->` and `<!-- end -->`.

    python -m recipe.card README.md FOLDER

FOLDER has what `ghostline eval --json` printed: `fit.json` (with `--calibrate`), and for each language
`eval-LANGUAGE.json` (all packages) and `test-LANGUAGE.json` (those on which the gate was not fitted, with
`--without cache --without model`). A table whose files are not there stays as it is.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

LANGUAGES = {"rust": "Rust", "python": "Python"}
LAWS = {
    "next_line": "next line",
    "rest_of_line": "rest of line",
    "name": "after `.`, `(` or a letter",
}
#: Thresholds of the gate that the card shows.
THRESHOLDS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def share(rate: dict) -> str:
    return f"{100 * rate['value']:.1f} %"


def with_range(rate: dict) -> str:
    return f"{share(rate)} ({100 * rate['low']:.1f}–{100 * rate['high']:.1f})"


def difference(rate: dict) -> str:
    return f"{100 * rate['value']:+.1f} ({100 * rate['low']:+.1f} to {100 * rate['high']:+.1f})"


def row_name(row: dict) -> str:
    return f"{LANGUAGES[row['language']]}, {LAWS[row['law']]}"


def table(*rows: list[str], align: str = "") -> str:
    """Of a head and rows; `align` has an r for each column that is to stand right."""
    head, *others = rows
    marks = ["---:" if align[idx : idx + 1] == "r" else "---" for idx in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *others))


def first_line(results: "Results") -> str:
    head = ["first line right", "n", "ghostline", "copying", "n-gram cache", "ahead of copying", "ahead of the n-gram cache"]
    rows = [
        [row_name(row), f"{row['n']:,}", with_range(row["ghostline"][0]["exact"]), with_range(row["copy"]["exact"]),
         with_range(row["cache"]["exact"]), *map(difference, row["ahead"])]
        for row in results.rows("eval")
    ]  # fmt: skip
    return table(head, *rows, align=".r")


def shown(results: "Results") -> str:
    counts = {row["n"] for row in results.rows("eval")}
    head = [f"by itself, n = {'/'.join(f'{n:,}' for n in counts)} each", "whole lines shown", "of them right",
            "beginnings shown", "of them right"]  # fmt: skip
    names = ("shown", "precision", "beginnings", "beginnings_right")
    rows = [[row_name(row), *(with_range(row["ghostline"][0][name]) for name in names)] for row in results.rows("eval")]
    return table(head, *rows)


def thresholds(results: "Results") -> str:
    found = {round(it["at"], 2): it for it in results["fit"]["gate"]["thresholds"]}
    some = [found[at] for at in THRESHOLDS]
    percent = [[f"{100 * it[name]['value']:.1f}" for it in some] for name in ("precision", "shown")]
    return table(
        ["`min_confidence`", *map(str, THRESHOLDS)],
        ["right, % of what is shown", *percent[0]],
        ["shown, % of places", *percent[1]],
    )


def without(results: "Results") -> str:
    rows = []
    for language, name in LANGUAGES.items():
        of_language = [row for row in results.rows("test") if row["language"] == language]
        cells = [" / ".join(f"{100 * it['exact']['value']:.1f}" for it in row["ghostline"]) for row in of_language]
        rows.append([name, *cells])
    return table(["", *LAWS.values()], *rows)


def saved(results: "Results") -> str:
    head = ["", "keystrokes", "ghostline", "without the live cache", "live cache alone", "copying", "n-gram cache"]
    rows = []
    for language, name in LANGUAGES.items():
        (found,) = results[f"test-{language}"]["languages"]
        columns = [with_range(rate) for rate in found["saved"]] + ["–"] * (3 - len(found["saved"]))
        baselines = [with_range(found[name]) for name in ("saved_by_copying", "saved_by_cache")]
        rows.append([name, f"{found['keystrokes']:,}", *columns, *baselines])
    return table(head, *rows)


TABLES: dict[str, Callable[["Results"], str]] = {
    "first-line": first_line,
    "shown": shown,
    "thresholds": thresholds,
    "without": without,
    "saved": saved,
}


class Results(dict):
    """What was measured, by the names of the files."""

    @classmethod
    def read(cls, folder: Path) -> "Results":
        return cls({path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")})

    def rows(self, kind: str) -> list[dict]:
        """By language and law; those of all packages are in `fit`, too, with fewer places and the gate before."""
        files = [f"{kind}-{language}" for language in LANGUAGES]
        if kind == "eval" and not any(file in self for file in files):
            files = ["fit"]
        found = [row for file in files for row in self[file]["rows"]]
        order = list(LAWS)
        return sorted(found, key=lambda row: (list(LANGUAGES).index(row["language"]), order.index(row["law"])))


def updated(card: str, results: Results) -> tuple[str, list[str]]:
    """The card with its tables anew, and the names of those that could not be made."""
    missing = []
    for name, make in TABLES.items():
        mark, end = f"<!-- eval {name} -->\n", "<!-- end -->"
        before, found, rest = card.partition(mark)
        if not found or end not in rest:
            raise ValueError(f"the card has no table between {mark.strip()} and {end}")
        try:
            made = make(results)
        except KeyError as error:
            missing.append(f"{name} (for want of {error})")
            continue
        card = f"{before}{mark}\n{made}\n\n{end}{rest.partition(end)[2]}"
    return card, missing


def main() -> None:
    card, folder = map(Path, sys.argv[1:])
    try:
        text, missing = updated(card.read_text(), Results.read(folder))
    except (ValueError, OSError) as error:
        sys.exit(f"{card}: {error}")
    card.write_text(text)
    for name in missing:
        print(f"left as it was: {name}")


if __name__ == "__main__":
    main()
