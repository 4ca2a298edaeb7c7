"""Bits per byte on held-out packages: of plain text, and of middles under the prompt that the program uses."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

import torch

from .fim import OF_MIDDLE, Builder, Example, Mixture, window
from .model import Model
from .store import Store
from .tokens import CONTROL, LANGUAGES, PAD, BytePairs

N_ROWS = 16


def samples(
    store: Store, tokenizer: BytePairs, language: int, kind: str, n_context: int, count: int
) -> Iterator[Example]:
    """The same examples whenever they are asked for. Only what counts has a weight, and that is 1."""
    rng = random.Random(77)
    draw = store.draw(language, is_held_out=True)
    builder = Builder(tokenizer, Mixture(plain=float(kind == "plain"), psm=0, middle=0, cut=0, context=0))
    for _ in range(count * 20 if draw.ids else 0):
        ids, weights = builder.example(window(store.text(draw(rng)), rng), language, n_context + 1, rng)
        least = OF_MIDDLE if kind == "middle" else 1.0
        weights = [float(weight >= least and token >= len(CONTROL)) for token, weight in zip(ids, weights, strict=True)]
        if sum(weights) < (n_context // 3 if kind == "plain" else 1):
            continue
        yield Example(ids, weights)
        count -= 1
        if count == 0:
            return


@torch.no_grad()
def bits_per_byte(model: Model, store: Path, tokenizer: Path, count: int) -> dict[str, float]:
    """By language and kind, `count` examples each."""
    pairs, texts = BytePairs(tokenizer), Store(store)
    device = model.token_embd.weight.device
    n_row = model.shape.context + 1
    found = {}
    for name, language in LANGUAGES.items():
        for kind in ("plain", "middle"):
            examples = list(samples(texts, pairs, language, kind, model.shape.context, count))
            nats, n_bytes = 0.0, 0
            for start in range(0, len(examples), N_ROWS):
                some = examples[start : start + N_ROWS]
                ids = torch.tensor([ids + [PAD] * (n_row - len(ids)) for ids, _ in some], device=device)
                weights = torch.tensor([w + [0.0] * (n_row - len(w)) for _, w in some], device=device)
                with torch.autocast(device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16):
                    nats += model(ids[:, :-1], ids[:, 1:], weights[:, 1:]).item()
                counted = ([token for token, weight in zip(*example, strict=True) if weight] for example in some)
                n_bytes += sum(len(pairs.decode(tokens).encode()) for tokens in counted)
            if n_bytes:
                found[f"{name} {kind}"] = round(nats / math.log(2) / n_bytes, 4)
    return found
