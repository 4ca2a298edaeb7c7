import unittest

try:
    import numpy as np

    from recipe import ngram
except ImportError:
    np = None


@unittest.skipIf(np is None, "numpy or torch is not installed")
class Tables(unittest.TestCase):
    def test_probabilities_of_all_ids_add_up_to_one_after_any_context(self):
        ids = np.random.default_rng(1).integers(0, 6, 400)
        for grams in (ngram.Grams(ids, 6), ngram.Grams(ids, 6, least=3)):
            for context in ([], [1], [2, 3], list(ids[7:11]), [5, 5, 5, 5, 5, 0]):
                total = sum(grams.probabilities(np.array([*context, token]))[0][-1] for token in range(6))
                self.assertAlmostEqual(total, 1.0, places=6)

    def test_what_always_followed_is_likely_and_the_longest_known_context_is_told(self):
        grams = ngram.Grams(np.tile([1, 2, 3, 4, 5], 40), 8)
        probability, known = grams.probabilities(np.array([1, 2, 3, 4, 5, 1, 7, 3]))
        self.assertGreater(probability[5], 0.9)
        self.assertLess(probability[6], 0.05)
        self.assertEqual(known.tolist(), [0, 1, 2, 3, 4, 4, 4, 0])

    def test_hashes_differ_where_contexts_do_and_only_there(self):
        ids = np.array([1, 2, 3, 1, 2, 3, 2, 1])
        found = ngram.hashes(ids, 2)
        self.assertEqual(len(found), 7)
        self.assertEqual(found[0], found[3])
        self.assertEqual(len(set(found.tolist())), 5)

    def test_the_weight_goes_to_whoever_was_right(self):
        known = np.array([1] * 50 + [2] * 50)
        of_table = np.where(known == 1, 0.9, 0.01)
        weights = ngram.weights_of(np.full(100, 0.3), of_table, known)
        self.assertGreater(weights[1], 0.95)
        self.assertLess(weights[2], 0.05)


if __name__ == "__main__":
    unittest.main()
