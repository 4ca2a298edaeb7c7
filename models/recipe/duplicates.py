"""Drops files that were seen before, exactly or nearly: releases of one crate, copies of a file in several packages.

Files are compared as sets of lines. MinHash finds candidates without comparing all pairs: one permutation, that is
one hash per line, whose low bits choose a bin; the least hash of each bin is the signature. Everything is
deterministic and needs the standard library only; a corpus of a gigabyte takes about a minute.
"""

import hashlib
import zlib
from collections import defaultdict

#: Two bins make a band: two files that share 60 % of their lines have one band in common with probability 0.999.
N_BINS = 32
BAND = 2
#: Lines of fewer characters (`}`, `else:`) say nothing about where a file is from.
MIN_LINE = 9
#: Files with fewer telling lines are too small to compare, and to learn from.
MIN_LINES = 5
#: A file is a near-duplicate when this part of the smaller one's lines, and of its own, is in the other.
SHARED_OF_SMALLER = 0.75
SHARED_OF_OWN = 0.6
#: A band that very many files have in common is a licence header; a look at this many is enough.
MAX_CANDIDATES = 200


def fingerprint(text: str) -> bytes:
    """Equal for files that differ in blanks only."""
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=12).digest()


def line_hashes(text: str) -> frozenset[int]:
    """The telling lines of a file, as numbers. Not `hash`, which is another one in each process."""
    lines = {line.strip() for line in text.split("\n")}
    return frozenset(zlib.crc32(line.encode()) for line in lines if len(line) >= MIN_LINE)


def signature(lines: frozenset[int]) -> list[int]:
    """The least hash in each bin; -1 where the bin is empty."""
    least = [-1] * N_BINS
    for line in lines:
        bin_idx = line % N_BINS
        if line < least[bin_idx] or least[bin_idx] < 0:
            least[bin_idx] = line
    return least


class Seen:
    """The files there were so far. What comes first stays: so held-out files first, then the newest releases."""

    def __init__(self) -> None:
        self._exact: set[bytes] = set()
        self._lines: list[frozenset[int]] = []
        self._bands: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)

    def reason_to_drop(self, text: str) -> str | None:
        """Why the file is not new, or `None`; then it is remembered."""
        exact = fingerprint(text)
        if exact in self._exact:
            return "duplicate"
        self._exact.add(exact)
        lines = line_hashes(text)
        if len(lines) < MIN_LINES:
            return "few lines"
        bands = self._bands_of(lines)
        candidates = {idx for band in bands for idx in self._bands.get(band, ())[:MAX_CANDIDATES]}
        if any(_is_near(lines, self._lines[idx]) for idx in candidates):
            return "near duplicate"
        for band in bands:
            self._bands[band].append(len(self._lines))
        self._lines.append(lines)
        return None

    def _bands_of(self, lines: frozenset[int]) -> list[tuple[int, ...]]:
        least = signature(lines)
        bands = [(start, *least[start : start + BAND]) for start in range(0, N_BINS, BAND)]
        return [band for band in bands if max(band[1:]) >= 0]


def _is_near(own: frozenset[int], other: frozenset[int]) -> bool:
    n_shared = len(own & other)
    return n_shared >= SHARED_OF_SMALLER * min(len(own), len(other)) and n_shared >= SHARED_OF_OWN * len(own)
