"""Trains the tokenizer, and proves that llama.cpp makes the same ids of the same text.

    python -m recipe.tokenizer train corpus.jsonl tokenizer.json [--size 8192]
    python -m recipe.tokenizer check HELDOUT-FOLDER -- COMMAND     COMMAND FILE… prints a line of ids per file
    python -m recipe.tokenizer fixture                             the ids that the Rust test compares with

Byte-level BPE. Digits are tokens of their own, so that numbers are spelt alike wherever they stand, and runs of
blanks are tokens up to the last blank before a word, so that indentation is one token. The rules are those of the
pre-tokenizer that llama.cpp calls `qwen2`; those of GPT-2 and StarCoder need 5 to 7 % more tokens for code.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .progress import say
from .tokens import CONTROL, BytePairs

HOME = Path(__file__).parent.parent
COMMITTED = HOME / "tokenizer.json"
FIXTURE = HOME / "tests/tokenizer.txt"
#: The pre-tokenizer's name in a GGUF, and its rule.
PRE_TOKENIZER = "qwen2"
RULE = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: As much of each language; more changes nothing.
TRAINING_CHARS = 15_000_000
#: How much held-out text is compared.
CHECK_BYTES = 1_200_000


def train(corpus: Path, out: Path, size: int) -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(RULE), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample(corpus), trainer)
    tokenizer.save(str(out))


def sample(corpus: Path) -> Iterator[str]:
    """Training files in a random but fixed order, the same amount of each language."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    with corpus.open(encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["split"] == "train":
                texts[record["language"]].append(record["text"])
    for some in texts.values():
        random.Random(0).shuffle(some)
        n_chars = 0
        for text in some:
            yield text
            n_chars += len(text)
            if n_chars > TRAINING_CHARS:
                break


def check(folder: Path, command: list[str], n_bytes: int) -> int:
    """The number of held-out files of whose text llama.cpp makes other ids than Python does."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".rs", ".py"))
    random.Random(3).shuffle(paths)
    chosen, size = [FIXTURE], FIXTURE.stat().st_size
    for path in paths:
        if size >= n_bytes:
            break
        chosen.append(path)
        size += path.stat().st_size
    output = subprocess.run([*command, *map(str, chosen)], check=True, stdout=subprocess.PIPE, text=True).stdout
    tokenizer, n_tokens, different = BytePairs(COMMITTED), 0, []
    for path, line in zip(chosen, output.splitlines(), strict=True):
        ids = tokenizer.encode(read(path)).ids
        n_tokens += len(ids)
        if ids != list(map(int, line.split())):
            different.append(path)
    say(f"{len(chosen)} files, {size} bytes, {n_tokens} tokens: {len(different)} files with other ids in llama.cpp")
    for path in different:
        say(f"other ids: {path}")
    return len(different)


def read(path: Path) -> str:
    """The text as it is: no change of line ends."""
    return path.read_bytes().decode("utf-8")


def write_fixture() -> None:
    ids = BytePairs(COMMITTED).encode(read(FIXTURE)).ids
    lines = [" ".join(map(str, ids[start : start + 20])) for start in range(0, len(ids), 20)]
    FIXTURE.with_suffix(".ids").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("corpus", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--size", type=int, default=8192)
    checking = commands.add_parser("check")
    checking.add_argument("folder", type=Path)
    checking.add_argument("--bytes", type=int, default=CHECK_BYTES)
    checking.add_argument("tokenize", nargs="+")
    commands.add_parser("fixture")
    options = parser.parse_args()
    if options.command == "train":
        train(options.corpus, options.out, options.size)
    elif options.command == "check":
        sys.exit(min(1, check(options.folder, options.tokenize, options.bytes)))
    else:
        write_fixture()


if __name__ == "__main__":
    main()
