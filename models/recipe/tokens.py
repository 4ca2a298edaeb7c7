"""The control tokens, whose ids are their places, and the seam to the tokenizer.

Everything above this file sees text and ids only, so that tests can bring a tokenizer of their own.
"""

import json
from pathlib import Path
from typing import NamedTuple, Protocol

CONTROL = (
    "<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
    "<|fim_pad|>", "<|file_sep|>", "<|rust|>", "<|python|>",
)  # fmt: skip
END, PREFIX, SUFFIX, MIDDLE, PAD, SEPARATOR, RUST, PYTHON = range(len(CONTROL))
LANGUAGES = {"rust": RUST, "python": PYTHON}


class Encoded(NamedTuple):
    ids: list[int]
    #: For each token the offset in characters at which it ends.
    ends: list[int]


class Tokenizer(Protocol):
    """What the recipe asks of a tokenizer."""

    def encode(self, text: str) -> Encoded: ...

    def decode(self, ids: list[int]) -> str: ...


class BytePairs:
    """A `tokenizer.json`, without its control tokens: `<|endoftext|>` in a source file stays plain text."""

    def __init__(self, path: Path) -> None:
        import tokenizers

        content = json.loads(path.read_text())
        content["added_tokens"] = []
        self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
        self.size: int = self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> Encoded:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Encoded(encoding.ids, [end for _, end in encoding.offsets])

    def decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)
