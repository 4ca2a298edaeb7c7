import random
import unittest
from dataclasses import replace

from recipe import neighbours, spans
from recipe.fim import OF_MIDDLE, OF_PREFIX, Builder, Mixture
from recipe.tokens import CONTROL, END, MIDDLE, PREFIX, PYTHON, RUST, SEPARATOR, SUFFIX, Encoded

FIRST = len(CONTROL)
ONLY_MIDDLES = Mixture(plain=0, psm=0, middle=0, cut=0, context=0)
FUNCTION = "fn area_%d(width: u32) -> u32 {\n    let twice = width * 2;\n    twice\n}\n\n"
CODE = "".join(FUNCTION % number for number in range(30))


class Pairs:
    """A tokenizer of two characters a token, so that tokens reach over cursors."""

    def encode(self, text: str) -> Encoded:
        pieces = [text[at : at + 2] for at in range(0, len(text), 2)]
        ids = [FIRST + ord(piece[0]) * 256 + ord(piece[1:] or "\0") for piece in pieces]
        return Encoded(ids, [min(at + 2, len(text)) for at in range(0, len(text), 2)])

    def decode(self, ids: list[int]) -> str:
        return "".join(chr((i - FIRST) // 256) + chr((i - FIRST) % 256) for i in ids).replace("\0", "")


def texts(ids: list[int]) -> dict[int, str]:
    """What stands behind each control token."""
    found, control = {}, None
    for token in ids:
        if token < FIRST:
            control = token
            found[control] = []
        else:
            found[control].append(token)
    return {control: Pairs().decode(tokens) for control, tokens in found.items()}


class Examples(unittest.TestCase):
    def examples(self, mixture: Mixture, count: int = 300, n_tokens: int = 400, **more):
        builder, rng = Builder(Pairs(), mixture), random.Random(1)
        return [builder.example(CODE, RUST, n_tokens, rng, **more) for _ in range(count)]

    def test_suffix_first_and_the_middle_continues_the_prefix(self):
        for ids, _ in self.examples(ONLY_MIDDLES):
            controls = [token for token in ids if token < FIRST]
            self.assertEqual(controls, [RUST, SUFFIX, PREFIX, END])
            parts = texts(ids)
            self.assertIn(parts[PREFIX], CODE)
            self.assertIn(parts[SUFFIX], CODE)

    def test_prefix_middle_and_suffix_make_the_file_in_every_layout(self):
        for mixture in (ONLY_MIDDLES, replace(ONLY_MIDDLES, cut=1), replace(ONLY_MIDDLES, middle=1),
                        replace(ONLY_MIDDLES, psm=1)):  # fmt: skip
            for ids, _ in self.examples(mixture):
                parts = texts(ids)
                self.assertIn(parts[PREFIX] + parts.get(MIDDLE, "") + parts[SUFFIX], CODE)

    def test_an_example_never_outgrows_its_room(self):
        mixture = Mixture(context=1)
        for n_tokens in (96, 97, 150, 512):
            for ids, weights in self.examples(mixture, 100, n_tokens, others=[CODE]):
                self.assertLessEqual(len(ids), n_tokens)
                self.assertEqual(len(ids), len(weights))

    def test_a_token_over_the_cursor_belongs_to_the_middle(self):
        builder = Builder(Pairs(), ONLY_MIDDLES)
        from recipe.fim import Parts

        found = builder.joined(Parts(), "abcdef", spans.Span(3, 6), 10).example()
        self.assertEqual(found.weights, [OF_PREFIX, OF_MIDDLE, OF_MIDDLE])

    def test_control_tokens_of_the_prompt_count_nothing_and_the_end_counts(self):
        for ids, weights in self.examples(replace(ONLY_MIDDLES, middle=0.5, psm=0.5)):
            for token, weight in zip(ids, weights, strict=True):
                if token < FIRST:
                    self.assertEqual(weight, OF_MIDDLE if token == END else 0.0)

    def test_shares_are_what_the_mixture_says(self):
        examples = self.examples(Mixture(plain=0.25, psm=0.1, middle=0.15, cut=0.3), 2000)
        plain = sum(OF_MIDDLE not in weights for _, weights in examples) / 2000
        with_middle = sum(MIDDLE in ids for ids, _ in examples) / 2000
        self.assertAlmostEqual(plain, 0.25, delta=0.03)
        self.assertAlmostEqual(with_middle, 0.75 * (0.1 + 0.9 * 0.15), delta=0.03)

    def test_other_files_stand_before_the_suffix_each_behind_a_separator(self):
        other = "fn volume(width: u32, height: u32) -> u32 {\n    width * height\n}\n"
        for ids, _ in self.examples(ONLY_MIDDLES, 50, others=[other]):
            controls = [token for token in ids if token < FIRST]
            self.assertEqual(controls, [RUST, SEPARATOR, SEPARATOR, SUFFIX, PREFIX, END])
            first = Pairs().decode(ids[2 : ids.index(SEPARATOR, 2)])
            self.assertEqual(first, other)


class Middles(unittest.TestCase):
    def test_every_middle_lies_in_the_file(self):
        rng = random.Random(2)
        for text in (CODE, "x", "\n\n\n", "def f():\n\treturn 1", "    a\n  b"):
            for _ in range(500):
                span = spans.choose(text, PYTHON, rng)
                self.assertTrue(0 <= span.cursor <= span.end <= len(text), (text, span))

    def test_cursors_stand_inside_words_too(self):
        rng, inside = random.Random(3), 0
        for _ in range(1000):
            cursor = spans.choose(CODE, RUST, rng).cursor
            inside += CODE[cursor - 1 : cursor].isalnum() and CODE[cursor : cursor + 1].isalnum()
        self.assertGreater(inside, 200)

    def test_a_block_ends_where_the_indentation_does(self):
        text = "def f():\n    a = 1\n\n    return a\n\nb = 2\n"
        end = spans.block_end(text, spans.line_at(text, 0))
        self.assertEqual(text[:end], "def f():\n    a = 1\n\n    return a")

    def test_a_block_that_is_too_long_is_none(self):
        text = "def f():\n" + "    a = 1\n" * 50
        self.assertIsNone(spans.block_end(text, spans.line_at(text, 0)))


class Pieces(unittest.TestCase):
    def test_the_most_alike_stands_last_and_the_unlike_is_left_out(self):
        near = "fn volume(width: u32, height: u32) -> u32 {\n}\n"
        far = "fn sides(width: u32) -> Vec<Side> {\n}\n"
        found = neighbours.pieces("fn area(width: u32, height: u32) -> u32 {\n", 20, [near, "use std::io;\n", far])
        self.assertEqual(found, [far, near])


if __name__ == "__main__":
    unittest.main()
