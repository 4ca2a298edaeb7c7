"""The tables of the card."""

import unittest

from recipe import card


def rate(value: float, n: int = 10) -> dict:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": n}


def results() -> card.Results:
    def row(language: str, law: str) -> dict:
        says = {name: rate(0.5) for name in ("exact", "shown", "precision", "beginnings", "beginnings_right")}
        baseline = {"exact": rate(0.25), "similarity": rate(0.5)}
        return {"language": language, "law": law, "n": 2000, "ghostline": [says, says], "copy": baseline,
                "cache": baseline, "ahead": [rate(0.25), rate(-0.05)]}  # fmt: skip

    found = card.Results()
    for language in card.LANGUAGES:
        saved = [rate(0.4), rate(0.3), rate(0.2)]
        of_language = {"language": language, "keystrokes": 8017, "saved": saved, "saved_by_copying": rate(0.15),
                       "saved_by_cache": rate(0.12)}  # fmt: skip
        rows = [row(language, law) for law in reversed(card.LAWS)]
        found[f"eval-{language}"] = {"rows": rows, "languages": [of_language]}
        found[f"test-{language}"] = {"rows": rows, "languages": [of_language]}
    thresholds = [{"at": at / 10, "precision": rate(at / 10), "shown": rate(1 - at / 10)} for at in range(11)]
    rows = [row(language, law) | {"n": 700} for language in card.LANGUAGES for law in card.LAWS]
    found["fit"] = {"gate": {"thresholds": thresholds}, "rows": rows}
    return found


EMPTY = "# Card\n\n" + "\n\n".join(f"<!-- eval {name} -->\n\nwas here\n\n<!-- end -->" for name in card.TABLES) + "\n\nrest\n"


class Card(unittest.TestCase):
    def test_tables_are_put_between_their_marks_and_the_rest_stays(self):
        text, missing = card.updated(EMPTY, results())
        self.assertEqual(missing, [])
        self.assertNotIn("was here", text)
        self.assertTrue(text.startswith("# Card\n\n<!-- eval first-line -->\n\n| first line right | n |"))
        self.assertTrue(text.endswith("<!-- end -->\n\nrest\n"))
        self.assertEqual(card.updated(text, results())[0], text)

    def test_rows_come_by_language_and_law_with_their_ranges(self):
        lines = card.first_line(results()).split("\n")
        self.assertEqual(
            lines[2],
            "| Rust, next line | 2,000 | 50.0 % (40.0–60.0) | 25.0 % (15.0–35.0) | 25.0 % (15.0–35.0)"
            " | +25.0 (+15.0 to +35.0) | -5.0 (-15.0 to +5.0) |",
        )
        self.assertEqual([line.split(" |")[0] for line in lines[3:6]],
                         ["| Rust, rest of line", "| Rust, after `.`, `(` or a letter", "| Python, next line"])  # fmt: skip

    def test_a_table_whose_figures_are_missing_stays_and_is_named(self):
        found = results()
        del found["fit"]
        text, missing = card.updated(EMPTY, found)
        self.assertEqual(text.count("was here"), 1)
        self.assertEqual(missing, ["thresholds (for want of 'fit')"])

    def test_without_a_larger_run_the_first_lines_are_those_of_the_fit(self):
        found = results()
        for language in card.LANGUAGES:
            del found[f"eval-{language}"]
        self.assertIn("| Rust, next line | 700 |", card.first_line(found))

    def test_what_was_not_measured_without_is_a_dash(self):
        found = results()
        del found["test-rust"]["languages"][0]["saved"][2]
        line = card.saved(found).split("\n")[2]
        self.assertIn("| 30.0 % (20.0–40.0) | – | 15.0 %", line)

    def test_a_card_without_the_marks_is_refused(self):
        with self.assertRaisesRegex(ValueError, "eval first-line"):
            card.updated("# Card\n", results())


if __name__ == "__main__":
    unittest.main()
