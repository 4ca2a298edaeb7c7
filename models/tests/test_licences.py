import unittest
from email.parser import Parser

from recipe import licences


def python(*lines: str) -> str:
    return licences.of_python(Parser().parsestr("\n".join(lines)))


class Expressions(unittest.TestCase):
    def test_one_permissive_choice_is_enough(self):
        for expression in ("MIT", "MIT OR GPL-3.0-only", "(GPL-2.0-only OR ISC)", "MIT/Apache-2.0", "LGPL-3.0 / Zlib"):
            self.assertTrue(licences.is_permissive(expression), expression)

    def test_all_parts_of_a_conjunction_must_be_permissive(self):
        self.assertTrue(licences.is_permissive("MIT AND (Apache-2.0 OR GPL-3.0-only)"))
        self.assertFalse(licences.is_permissive("MIT AND MPL-2.0"))

    def test_an_exception_is_part_of_the_licence(self):
        self.assertTrue(licences.is_permissive("Apache-2.0 WITH LLVM-exception"))
        self.assertFalse(licences.is_permissive("GPL-3.0-or-later WITH GCC-exception-3.1"))

    def test_what_cannot_be_read_is_refused(self):
        for expression in (None, "", "MIT OR", "(MIT", "MIT MIT", "AND", ")", "MIT WITH", "see file LICENSE"):
            self.assertFalse(licences.is_permissive(expression), expression)


class Metadata(unittest.TestCase):
    def test_the_expression_wins_over_the_classifiers(self):
        found = python("License-Expression: MPL-2.0", "Classifier: License :: OSI Approved :: MIT License")
        self.assertEqual(found, "MPL-2.0")

    def test_several_classifiers_must_all_hold(self):
        found = python(
            "Classifier: License :: OSI Approved :: BSD License",
            "Classifier: License :: OSI Approved :: GNU General Public License (GPL)",
        )
        self.assertFalse(licences.is_permissive(found))

    def test_usual_spellings_are_known(self):
        for text, licence in (
            ("Apache 2.0", "Apache-2.0"),
            ("Apache License, Version 2.0", "Apache-2.0"),
            ("The MIT License", "MIT"),
            ("BSD 3-Clause", "BSD-3-Clause"),
            ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ):
            self.assertEqual(python(f"License: {text}"), licence)

    def test_unknown_words_are_kept_and_refused(self):
        found = python("License: Do What You Like")
        self.assertEqual(found, "«Do What You Like»")
        self.assertFalse(licences.is_permissive(found))


if __name__ == "__main__":
    unittest.main()
