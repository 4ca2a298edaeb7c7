"""Which packages may be learned from: licences as SPDX expressions, and how Python metadata is read as one.

What a package says of itself is believed; nobody reads its files' headers. Whatever is not understood is refused.
"""

import re
from email.message import Message

#: Licences that allow use and redistribution of derived works with no more than attribution.
PERMISSIVE = frozenset(
    licence.lower()
    for licence in (
        "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
        "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unicode-3.0",
        "Unicode-DFS-2016", "Unlicense", "Zlib",
    )
)

#: Trove classifiers (their last part) that are one licence; `BSD License` does not say with how many clauses.
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
}

#: How people spell licences in the free text field `License`.
SPELLINGS = (
    (r"(the )?mit( license)?", "MIT"),
    (r"(the )?apache( software)?( license)?([ ,-]*(version|v)? ?2(\.0)?)?( license)?", "Apache-2.0"),
    (r"(the )?(new |modified |revised )?bsd( license)?", "BSD"),
    (r"(the )?bsd[ -]?3([ -]clause)?( license)?", "BSD-3-Clause"),
    (r"(the )?bsd[ -]?2([ -]clause)?( license)?", "BSD-2-Clause"),
    (r"isc( license)?", "ISC"),
    (r"psf(-2\.0)?( license)?", "PSF-2.0"),
)


class Unreadable(ValueError):
    """An expression that breaks SPDX's grammar."""


def is_permissive(expression: str | None) -> bool:
    """Whether an SPDX expression leaves at least one choice made only of permissive licences.

    The `/` that old Cargo manifests have for `OR` is understood; anything else that is not SPDX is refused.
    """
    try:
        return _Parser((expression or "").replace("/", " OR ")).parse()
    except Unreadable:
        return False


class _Parser:
    """`OR` of `AND` of licences, each with an optional `WITH exception`, with parentheses."""

    def __init__(self, expression: str) -> None:
        self.words = re.findall(r"[()]|[^\s()]+", expression)

    def parse(self) -> bool:
        value = self.either()
        if self.words:
            raise Unreadable(self.words[0])
        return value

    def take(self, wanted: str | None = None) -> str | None:
        """The next word, if there is one and it is the wanted one."""
        if not self.words or (wanted and self.words[0].upper() != wanted):
            return None
        return self.words.pop(0)

    def either(self) -> bool:
        value = self.all()
        while self.take("OR"):
            value = self.all() or value
        return value

    def all(self) -> bool:
        value = self.one()
        while self.take("AND"):
            value = self.one() and value
        return value

    def one(self) -> bool:
        word = self.take()
        if word is None or word in (")", "AND", "OR", "WITH"):
            raise Unreadable(str(word))
        if word == "(":
            value = self.either()
            if not self.take(")"):
                raise Unreadable("a parenthesis is open")
            return value
        if self.take("WITH"):
            exception = self.take()
            if exception is None:
                raise Unreadable("WITH what?")
            word = f"{word} WITH {exception}"
        return word.lower() in PERMISSIVE


def of_python(metadata: Message) -> str:
    """The licence in a wheel's METADATA as an SPDX expression, or what stands there if it cannot be read as one.

    `License-Expression` is exact. Classifiers come next, and all of them must hold, because nothing says whether
    two of them are a choice. The free text counts only where there is no classifier.
    """
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression).strip()
    names = [line.split("::")[-1].strip() for line in metadata.get_all("Classifier", []) if line.startswith("License")]
    known = dict.fromkeys(CLASSIFIERS.get(name, f"«{name}»") for name in names if name != "OSI Approved")
    if known:
        return " AND ".join(known)
    return of_text(str(metadata.get("License") or ""))


def of_text(text: str) -> str:
    """A licence named in words, as SPDX where it is a usual spelling or SPDX already, else in guillemets."""
    line = (text.strip().splitlines() or [""])[0].strip()[:80]
    for pattern, licence in SPELLINGS:
        if re.fullmatch(pattern, line, re.IGNORECASE):
            return licence
    return line if is_permissive(line) else f"«{line}»"
