import unittest

from recipe.duplicates import Seen, line_hashes

LINES = [f"let value_{i} = compute({i}, other_{i});" for i in range(100)]


def text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


class Duplicates(unittest.TestCase):
    def setUp(self):
        self.seen = Seen()
        self.assertIsNone(self.seen.reason_to_drop(text(LINES)))

    def test_a_copy_with_other_blanks_is_a_duplicate(self):
        self.assertEqual(self.seen.reason_to_drop(text(["    " + line for line in LINES])), "duplicate")

    def test_a_new_release_is_a_near_duplicate(self):
        changed = [line if i % 10 else f"let new_{i} = something_else({i});" for i, line in enumerate(LINES)]
        self.assertEqual(self.seen.reason_to_drop(text(changed)), "near duplicate")

    def test_the_order_of_lines_does_not_matter(self):
        self.assertEqual(self.seen.reason_to_drop(text(LINES[::-1])), "near duplicate")

    def test_a_file_that_shares_half_stays(self):
        other = LINES[:50] + [f"let mine_{i} = of_my_own({i});" for i in range(50)]
        self.assertIsNone(self.seen.reason_to_drop(text(other)))

    def test_a_near_duplicate_is_not_remembered_in_place_of_the_first(self):
        self.seen.reason_to_drop(text(LINES[:90]))
        self.assertEqual(self.seen.reason_to_drop(text(LINES[:80])), "near duplicate")

    def test_files_without_telling_lines_are_dropped(self):
        self.assertEqual(self.seen.reason_to_drop("}\n" * 100), "few lines")

    def test_hashes_are_the_same_in_every_process(self):
        self.assertEqual(line_hashes("fn main() {\n"), frozenset({4054206682}))


if __name__ == "__main__":
    unittest.main()
