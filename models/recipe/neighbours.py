"""Text from other files of the package, as the program gives it to a model with room for it (`src/prompt/context.rs`).

The piece of each file that is most like the lines around the cursor, the most alike last; a separator token before
each and one before the file itself.
"""

import re

PIECE_LINES = 40
PIECE_STEP = 20
MAX_PIECES = 2
LEAST_LIKENESS = 0.05
#: Characters of a file that are looked at, and those around the cursor that pieces are compared with.
MAX_CHARS = 16_000
BEFORE, AFTER = 1024, 512
WORD = re.compile(r"\w\w+")


def pieces(text: str, cursor: int, others: list[str]) -> list[str]:
    """The best piece of each other text, at most `MAX_PIECES`, the most alike last."""
    around = set(WORD.findall(text[max(0, cursor - BEFORE) : cursor + AFTER]))
    found = [piece for other in others if (piece := best_piece(other, around))]
    found.sort()
    return [piece for _, piece in found[-MAX_PIECES:]]


def best_piece(other: str, around: set[str]) -> tuple[float, str] | None:
    lines = other[:MAX_CHARS].splitlines(keepends=True)
    best = None
    for first in range(0, len(lines), PIECE_STEP):
        piece = "".join(lines[first : first + PIECE_LINES])
        words = set(WORD.findall(piece))
        likeness = len(words & around) / max(1, len(words | around))
        if likeness >= LEAST_LIKENESS and (best is None or likeness > best[0]):
            best = (likeness, piece)
    return best
