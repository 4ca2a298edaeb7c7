"""Which part of a file is taken out as the middle: what people complete, from wherever a cursor may stand."""

import math
import random
from typing import NamedTuple

from .tokens import PYTHON

#: Shares of the kinds of middles; what is left over is an empty one, so that the model learns to say nothing.
LINE, INSIDE, LINES, BLOCK, RANDOM = 0.46, 0.08, 0.22, 0.14, 0.07
CLOSERS = " ;,)]}>:?"
MAX_BLOCK_LINES = 14
MAX_BLOCK_CHARS = 900
MAX_RANDOM_CHARS = 220


class Span(NamedTuple):
    """Offsets in characters: the cursor, and where the suffix begins."""

    cursor: int
    end: int


def line_at(text: str, place: int) -> Span:
    """Where the line around `place` begins, and where it ends, without its newline."""
    end = text.find("\n", place)
    return Span(text.rfind("\n", 0, place) + 1, len(text) if end < 0 else end)


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def choose(text: str, language: int, rng: random.Random) -> Span:
    """A middle. The cursor is at a random character, often in the middle of a word, as it is when people type."""
    for _ in range(8):
        place = rng.randrange(len(text))
        line = line_at(text, place)
        if text[line.cursor : line.end].strip():
            break
    cursor = _cursor(text, line, rng)
    kind = rng.random()
    for share, make in ((LINE, _line), (INSIDE, _inside), (LINES, _lines), (BLOCK, _block), (RANDOM, _random)):
        if kind < share:
            return make(text, language, cursor, line, rng)
        kind -= share
    return Span(line.end, line.end)


def _cursor(text: str, line: Span, rng: random.Random) -> int:
    code = line.cursor + indentation(text[line.cursor : line.end])
    where = rng.random()
    if where < 0.15:
        return code
    if where < 0.25:
        return line.cursor
    return rng.randrange(min(code, line.end), line.end + 1)


def _line(text: str, language: int, cursor: int, line: Span, rng: random.Random) -> Span:
    return Span(cursor, line.end)


def _inside(text: str, language: int, cursor: int, line: Span, rng: random.Random) -> Span:
    """Up to the closing brackets at the end of the line, which an editor puts there by itself, or less."""
    end = line.end
    while end > cursor and text[end - 1] in CLOSERS:
        end -= 1
    if end <= cursor:
        return Span(cursor, line.end)
    return Span(cursor, rng.randrange(cursor, end + 1) if rng.random() < 0.5 else end)


def _lines(text: str, language: int, cursor: int, line: Span, rng: random.Random) -> Span:
    end = line.end
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if end < len(text):
            end = line_at(text, end + 1).end
    return Span(line.end if rng.random() < 0.35 else cursor, end)


def _block(text: str, language: int, cursor: int, line: Span, rng: random.Random) -> Span:
    """The body of the next block that opens near the cursor, with or without the rest of its first line."""
    opener = ":" if language == PYTHON else "{"
    here = line
    for _ in range(40):
        if here.end >= len(text):
            break
        if text[here.cursor : here.end].rstrip().endswith(opener):
            end = block_end(text, here)
            if end is None or not here.end < end < here.end + MAX_BLOCK_CHARS:
                break
            return Span(here.end if rng.random() < 0.6 else _cursor(text, here, rng), end)
        here = line_at(text, here.end + 1)
    return Span(cursor, line.end)


def block_end(text: str, opening: Span) -> int | None:
    """Where the lines end that are indented more than the opening one; `None` if there are too many of them."""
    depth = indentation(text[opening.cursor : opening.end])
    last = here = opening.end
    for _ in range(MAX_BLOCK_LINES):
        if here >= len(text):
            return last
        line = line_at(text, here + 1)
        content = text[line.cursor : line.end]
        if content.strip():
            if indentation(content) <= depth:
                return last
            last = line.end
        here = line.end
    return None


def _random(text: str, language: int, cursor: int, line: Span, rng: random.Random) -> Span:
    length = int(math.exp(rng.uniform(0, math.log(MAX_RANDOM_CHARS))))
    return Span(cursor, min(len(text), cursor + length))
