"""Batches for training, from worker processes where there are cores to spare."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from . import fim
from .fim import Mixture
from .store import Store
from .tokens import BytePairs


class Batches(IterableDataset):
    """Endless batches of (ids, weights), both `[rows, context + 1]`."""

    def __init__(self, store: Path, tokenizer: Path, n_context: int, n_rows: int, seed: int, mixture: Mixture) -> None:
        self.store, self.tokenizer, self.n_context, self.n_rows = store, tokenizer, n_context, n_rows
        self.seed, self.mixture = seed, mixture

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        if worker:
            torch.set_num_threads(1)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        seed = self.seed * 1000 + (worker.id if worker else 0)
        tokenizer = BytePairs(self.tokenizer)
        rows = fim.rows(Store(self.store), tokenizer, self.n_context, seed, self.mixture)
        while True:
            ids, weights = zip(*(next(rows) for _ in range(self.n_rows)))
            yield torch.tensor(ids, dtype=torch.int32), torch.tensor(weights)


def loader(batches: Batches, n_workers: int, is_pinned: bool) -> Iterator[tuple[Tensor, Tensor]]:
    ahead = 8 if n_workers else None
    return iter(DataLoader(batches, batch_size=None, num_workers=n_workers, pin_memory=is_pinned, prefetch_factor=ahead))
