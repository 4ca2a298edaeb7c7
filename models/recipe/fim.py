"""Builds training examples: fill-in-the-middle as the program asks for it, some left-to-right, packed into rows.

    [RUST | PYTHON] SUFFIX text after the cursor PREFIX text before it · the middle END

The middle simply continues the prefix, so that at run time a keystroke only appends. A share has the MIDDLE token,
a share the order prefix-suffix-middle; both keep the model usable for tools that know only those. In most examples
prefix and middle are tokenised as one text, because the program heals the word that is being typed; in the share
`cut` they are tokenised apart, so that a half-typed word's tokens are known, too.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from . import neighbours, spans
from .store import Store
from .tokens import END, LANGUAGES, MIDDLE, PAD, PREFIX, PYTHON, RUST, SEPARATOR, SUFFIX, Tokenizer

#: How much it counts to predict a token of a part. What is completed counts most; control tokens not at all.
OF_CONTEXT, OF_SUFFIX, OF_PREFIX, OF_MIDDLE = 0.3, 0.5, 1.0, 2.0
#: More characters than a token has, so that a window of tokens is filled; and some over.
CHARS_PER_TOKEN, SPARE_CHARS = 5, 64
#: The shortest example that is worth a place in a row.
MIN_TOKENS = 96
#: A longer file is cut to a window of lines.
MAX_FILE_CHARS = 24_000


@dataclass(frozen=True)
class Mixture:
    """Shares of the kinds of examples."""

    plain: float = 0.25
    psm: float = 0.10
    middle: float = 0.15
    cut: float = 0.30
    context: float = 0.15
    rust: float = 0.5
    no_suffix: float = 0.15


class Example(NamedTuple):
    """Tokens, and what it counts to predict each of them."""

    ids: list[int]
    weights: list[float]


class Parts:
    """An example under construction."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.weights: list[float] = []

    def control(self, token: int) -> "Parts":
        return self.text([token], 0.0)

    def text(self, ids: list[int], weight: float) -> "Parts":
        self.ids += ids
        self.weights += [weight] * len(ids)
        return self

    def example(self) -> Example:
        return Example(self.ids, self.weights)


class Builder:
    def __init__(self, tokenizer: Tokenizer, mixture: Mixture = Mixture()) -> None:
        self.tokenizer = tokenizer
        self.mixture = mixture

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def example(
        self, text: str, language: int, n_tokens: int, rng: random.Random, others: tuple[str, ...] | list[str] = ()
    ) -> Example:
        """An example of at most `n_tokens` from a file's text, with pieces of `others` where they fit."""
        if rng.random() < self.mixture.plain:
            return self.plain(text, language, n_tokens, rng)
        return self.infill(text, language, n_tokens, rng, others)

    def plain(self, text: str, language: int, n_tokens: int, rng: random.Random) -> Example:
        """Left to right from the start of a line, under the prompt's own head with an empty suffix."""
        start = spans.line_at(text, rng.randrange(len(text))).cursor if rng.random() < 0.8 else 0
        end = start + n_tokens * CHARS_PER_TOKEN + SPARE_CHARS
        parts = Parts().control(language).control(SUFFIX).control(PREFIX)
        parts.text(self.encode(text[start:end])[: n_tokens - 3], OF_PREFIX)
        if end >= len(text) and len(parts.ids) < n_tokens:
            parts.text([END], OF_PREFIX)
        return parts.example()

    def infill(
        self, text: str, language: int, n_tokens: int, rng: random.Random, others: tuple[str, ...] | list[str] = ()
    ) -> Example:
        """A middle between prefix and suffix, in one of the layouts."""
        span, middle = self.span(text, language, n_tokens // 3, rng)
        is_psm = rng.random() < self.mixture.psm
        has_middle_token = is_psm or rng.random() < self.mixture.middle
        context = self.context(text, span.cursor, others, n_tokens // 3)
        room = n_tokens - len(middle) - len(context) - (5 if has_middle_token else 4)
        suffix = self.suffix(text, span.end, room, rng)
        room = max(0, room - len(suffix))
        parts = Parts().control(language)
        for token in context:
            parts.text([token], 0.0 if token == SEPARATOR else OF_CONTEXT)
        if is_psm:
            parts.control(PREFIX).text(self.prefix(text, span.cursor, room), OF_PREFIX)
            parts.control(SUFFIX).text(suffix, OF_SUFFIX).control(MIDDLE)
            return parts.text([*middle, END], OF_MIDDLE).example()
        parts.control(SUFFIX).text(suffix, OF_SUFFIX).control(PREFIX)
        if not has_middle_token and rng.random() >= self.mixture.cut:
            return self.joined(parts, text, span, room + len(middle)).text([END], OF_MIDDLE).example()
        parts.text(self.prefix(text, span.cursor, room), OF_PREFIX)
        if has_middle_token:
            parts.control(MIDDLE)
        return parts.text([*middle, END], OF_MIDDLE).example()

    def span(self, text: str, language: int, n_tokens: int, rng: random.Random) -> tuple[spans.Span, list[int]]:
        """A middle of at most `n_tokens`; an empty one if several tries were too long."""
        for _ in range(6):
            span = spans.choose(text, language, rng)
            middle = self.encode(text[span.cursor : span.end])
            if len(middle) <= n_tokens:
                return span, middle
        return spans.Span(span.cursor, span.cursor), []

    def suffix(self, text: str, end: int, room: int, rng: random.Random) -> list[int]:
        """None in a share, else a random number of tokens up to a quarter of the room."""
        if room < 8 or rng.random() < self.mixture.no_suffix:
            return []
        n_tokens = rng.randrange(4, max(6, room // 4))
        return self.encode(text[end : end + n_tokens * CHARS_PER_TOKEN + SPARE_CHARS])[:n_tokens]

    def prefix(self, text: str, cursor: int, room: int) -> list[int]:
        if room <= 0:
            return []
        return self.encode(text[max(0, cursor - room * CHARS_PER_TOKEN - SPARE_CHARS) : cursor])[-room:]

    def joined(self, parts: Parts, text: str, span: spans.Span, room: int) -> Parts:
        """Prefix and middle tokenised as one; a token that reaches over the cursor belongs to the middle."""
        if room <= 0:
            return parts
        start = max(0, span.cursor - room * CHARS_PER_TOKEN - SPARE_CHARS)
        encoded = self.tokenizer.encode(text[start : span.end])
        for token, end in list(zip(encoded.ids, encoded.ends, strict=True))[-room:]:
            parts.text([token], OF_MIDDLE if start + end > span.cursor else OF_PREFIX)
        return parts

    def context(self, text: str, cursor: int, others: tuple[str, ...] | list[str], room: int) -> list[int]:
        """Pieces of other files, each behind a separator, and the separator of this file; or nothing at all."""
        ids: list[int] = []
        for piece in neighbours.pieces(text, cursor, list(others)):
            encoded = self.encode(piece)
            if len(ids) + len(encoded) + 2 <= room:
                ids += [SEPARATOR, *encoded]
        return [*ids, SEPARATOR] if ids else []


def rows(store: Store, tokenizer: Tokenizer, n_context: int, seed: int, mixture: Mixture) -> Iterator[Example]:
    """Endless rows of `n_context + 1` tokens, each packed with examples; the rest is padding that counts nothing."""
    rng = random.Random(seed)
    builder = Builder(tokenizer, mixture)
    draws = {language: store.draw(language) for language in LANGUAGES.values()}
    draws = {language: draw for language, draw in draws.items() if draw.ids}
    n_row = n_context + 1
    while True:
        row = Parts()
        while n_row - len(row.ids) >= MIN_TOKENS:
            room = n_row - len(row.ids)
            language = RUST if rng.random() < mixture.rust else PYTHON
            language = language if language in draws else next(iter(draws))
            idx = draws[language](rng)
            others = []
            if rng.random() < mixture.context:
                others = [store.text(other) for other in store.neighbours(idx, 4, rng)]
            n_tokens = room if rng.random() < 0.6 else rng.randrange(MIN_TOKENS, room + 1)
            example = builder.example(window(store.text(idx), rng), language, n_tokens, rng, others)
            row.ids += example.ids[:room]
            row.weights += example.weights[:room]
        n_left = n_row - len(row.ids)
        yield row.text([PAD] * n_left, 0.0).example()


def window(text: str, rng: random.Random) -> str:
    """A long file's window of lines, so that the cost does not depend on the file's size."""
    if len(text) <= MAX_FILE_CHARS:
        return text
    start = text.rfind("\n", 0, rng.randrange(len(text) - MAX_FILE_CHARS)) + 1
    return text[start : start + MAX_FILE_CHARS]
