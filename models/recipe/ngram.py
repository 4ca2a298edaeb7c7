"""What a static table of n-grams from the corpus would add to a model: bits per byte, with and without.

    python -m recipe.ngram checkpoint.pt --store FOLDER --tokens 20000000

Counts the n-grams of that many tokens of training text, half of each language, predicts held-out text by them
(interpolated, Witten and Bell 1991), and mixes that with the model's own probabilities; the weight of the table, one
for each length of the longest context that was seen, is learnt on every other held-out example (EM) and judged on the
rest. `--least` drops n-grams that were seen less often, as a table that has to be small would.
"""

import argparse
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from .fim import Example, window
from .model import Model, Shape
from .progress import say
from .quality import samples
from .store import Store
from .tokenizer import COMMITTED
from .tokens import CONTROL, LANGUAGES, BytePairs

#: Tokens of context of the longest n-grams.
ORDER = 4
#: Bytes that an entry takes at least: half a hash and a count.
ENTRY_BYTES = 6
#: Odd, so that multiplying by it loses nothing; from the golden ratio.
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def hashes(ids: np.ndarray, length: int) -> np.ndarray:
    """Of the `length` ids that end at each place, from the first place at which there are so many."""
    count = max(0, len(ids) - length + 1)
    found = np.full(count, length, np.uint64)
    for start in range(length):
        found = (found ^ ids[start : start + count].astype(np.uint64)) * MULTIPLIER
        found ^= found >> np.uint64(29)
    return found


class Table(NamedTuple):
    """The n-grams with `order` ids of context: sorted hashes and what was counted of each."""

    order: int
    contexts: np.ndarray
    #: How often a context was seen, and with how many different tokens behind it.
    totals: np.ndarray
    kinds: np.ndarray
    grams: np.ndarray
    counts: np.ndarray

    @classmethod
    def count(cls, ids: np.ndarray, order: int, least: int = 1) -> "Table":
        grams, first, counts = np.unique(hashes(ids, order + 1), return_index=True, return_counts=True)
        kept = counts >= (least if order > 1 else 1)
        grams, first, counts = grams[kept], first[kept], counts[kept]
        of_context = hashes(ids[:-1], order)[first]
        contexts, inverse, kinds = np.unique(of_context, return_inverse=True, return_counts=True)
        return cls(order, contexts, np.bincount(inverse, counts, len(contexts)), kinds, grams, counts)

    def refine(self, ids: np.ndarray, lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probability of each id after those before it, from those of shorter contexts, and where it was known."""
        refined, is_known = lower.copy(), np.zeros(len(ids), bool)
        if len(ids) <= self.order or not len(self.grams):
            return refined, is_known
        place, found = look_up(self.contexts, hashes(ids[:-1], self.order))
        gram, seen = look_up(self.grams, hashes(ids, self.order + 1))
        count = np.where(seen, self.counts[gram], 0)
        total, kinds = self.totals[place], self.kinds[place]
        rest = lower[self.order :]
        refined[self.order :] = np.where(found, (count + kinds * rest) / (total + kinds), rest)
        is_known[self.order :] = found
        return refined, is_known


def look_up(table: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return place, table[place] == wanted


class Grams:
    def __init__(self, ids: np.ndarray, vocabulary: int, least: int = 1) -> None:
        self.single = (np.bincount(ids, minlength=vocabulary) + 1.0) / (len(ids) + vocabulary)
        self.tables = [Table.count(ids, order, least) for order in range(1, ORDER + 1)]

    def probabilities(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each id, and how much of the context before it had been seen."""
        probability, known = self.single[ids], np.zeros(len(ids), int)
        for table in self.tables:
            probability, is_known = table.refine(ids, probability)
            known[is_known] = table.order
        return probability, known

    def megabytes(self) -> float:
        return sum(len(table.grams) + len(table.contexts) for table in self.tables) * ENTRY_BYTES / 1e6


def weights_of(of_model: np.ndarray, of_table: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The table's weight by how much of the context it knows."""
    weights = np.full(ORDER + 1, 0.2)
    for _ in range(40):
        from_table = weights[known] * of_table
        share = from_table / (from_table + (1 - weights[known]) * of_model)
        sums, counts = np.bincount(known, share, ORDER + 1), np.bincount(known, minlength=ORDER + 1)
        weights = np.where(counts > 0, sums / np.maximum(counts, 1), weights)
    return weights


def training_ids(store: Store, tokenizer: BytePairs, n_tokens: int, seed: int = 5) -> np.ndarray:
    rng, pieces = random.Random(seed), []
    for language in LANGUAGES.values():
        draw, left = store.draw(language), n_tokens // len(LANGUAGES)
        unseen = list(draw.ids)
        rng.shuffle(unseen)
        for idx in unseen:
            if left <= 0:
                break
            ids = tokenizer.encode(window(store.text(idx), rng)).ids
            pieces.append(np.array([*ids, 0], np.int32))
            left -= len(ids)
    return np.concatenate(pieces)


class Tokens(NamedTuple):
    """The tokens of an example that count: probabilities and bytes."""

    of_model: np.ndarray
    of_table: np.ndarray
    known: np.ndarray
    n_bytes: int


@torch.no_grad()
def read(model: Model, grams: list[Grams], example: Example, tokenizer: BytePairs) -> Iterator[Tokens]:
    """The same example by each table."""
    ids = torch.tensor([example.ids])
    logits = model.logits(ids[:, :-1])[0].float()
    of_model = torch.exp(-F.cross_entropy(logits, ids[0, 1:], reduction="none")).double().numpy()
    counted = np.array(example.weights[1:]) > 0
    text = np.array(example.ids)[1:][counted]
    n_bytes = len(tokenizer.decode(text.tolist()).encode())
    for one in grams:
        of_table, known = one.probabilities(np.array([token for token in example.ids if token >= len(CONTROL)]))
        # What counts of plain text is its end: everything behind the control tokens.
        yield Tokens(of_model[counted], of_table[-len(text) :], known[-len(text) :], n_bytes)


def bits(tokens: list[Tokens], weights: np.ndarray | None) -> float:
    nats = 0.0
    for of_model, of_table, known, _ in tokens:
        mixed = of_model if weights is None else (1 - weights[known]) * of_model + weights[known] * of_table
        nats -= float(np.log(mixed).sum())
    return nats / math.log(2) / sum(one.n_bytes for one in tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=COMMITTED)
    parser.add_argument("--tokens", type=int, default=20_000_000)
    parser.add_argument("--least", default="1,4", help="tables of n-grams that were seen so often")
    parser.add_argument("--samples", type=int, default=200)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    model = Model(Shape(**saved["shape"]), is_bf16=False)
    model.load_state_dict({name: values.float() for name, values in saved["model"].items()})
    model.eval()
    tokenizer, store = BytePairs(options.tokenizer), Store(options.store)
    ids = training_ids(store, tokenizer, options.tokens)
    leasts = [int(least) for least in options.least.split(",")]
    grams = [Grams(ids, tokenizer.size, least) for least in leasts]
    say(f"{len(ids)} tokens counted: " + ", ".join(f"seen {n}: {one.megabytes():.0f} MB" for n, one in zip(leasts, grams)))
    for name, language in LANGUAGES.items():
        examples = samples(store, tokenizer, language, "plain", model.shape.context, options.samples)
        by_table = list(zip(*(read(model, grams, example, tokenizer) for example in examples)))
        for least, tokens in zip(leasts, by_table):
            learnt, judged = tokens[::2], tokens[1::2]
            weights = weights_of(*(np.concatenate([one[part] for one in learnt]) for part in range(3)))
            say(f"{name}, seen {least}: model {bits(judged, None):.4f}, table {bits(judged, np.ones(ORDER + 1)):.4f},"
                f" both {bits(judged, weights):.4f} bits per byte; weights {np.round(weights, 3).tolist()}")  # fmt: skip


if __name__ == "__main__":
    main()
