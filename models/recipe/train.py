"""Trains the model within a budget of time; CPU or CUDA.

    python -m recipe.train --store FOLDER --tokenizer tokenizer.json --out FOLDER --shape small --budget SECONDS

The learning rate follows the time that was spent, so a run always ends decayed and on time, however fast the machine.
Killed at any moment, it goes on from its last checkpoint when it is started again. OUT/log.jsonl has a line every
few seconds. With `--until HH:MM` the run ends at that time of day, pauses included.
"""

import argparse
import json
import os
import signal
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import torch

from . import together
from .data import Batches, loader
from .fim import Mixture
from .growing import take_over
from .model import SHAPES, Model, Shape
from .optimizer import optimizers, rate_at
from .quality import bits_per_byte
from .together import Group
from .tokens import BytePairs

CHECKPOINT = "checkpoint.pt"
LOG_SECONDS = 15
#: Examples per language and kind: while training, and at the end.
QUICK, THOROUGH = 32, 256


@dataclass
class State:
    """What a run has behind it, over all its pieces. Seconds are of training, without evaluation."""

    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    #: Those that the weights it started from had behind them.
    tokens_before: int = 0
    pieces: int = 0
    first_started: float = 0.0
    deadline: float = 0.0
    is_done: bool = False

    def progress(self, budget: float) -> float:
        if self.deadline:
            return (time.time() - self.first_started) / max(1.0, self.deadline - self.first_started)
        return self.seconds / budget


class Run:
    def __init__(self, options: argparse.Namespace, group: Group = Group()) -> None:
        self.options, self.group = options, group
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.shape = shape_of(options)
        torch.manual_seed(options.seed)
        torch.set_float32_matmul_precision("high")
        self.model = Model(self.shape, not options.fp32).to(self.device)
        self.optimizers = optimizers(self.model, options.lr, options.muon_lr, options.weight_decay)
        self.state = State(first_started=time.time(), deadline=deadline(options.until))
        options.out.mkdir(parents=True, exist_ok=True)
        self.checkpoint = options.out / CHECKPOINT
        if self.checkpoint.exists():
            self.load()
        elif options.start_from:
            self.state.tokens_before = start_from(options.start_from, self.model)
        self.is_stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "is_stopped", True))

    def load(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if Shape(**saved["shape"]) != self.shape:
            raise SystemExit(f"{self.checkpoint} is of another shape; choose another --out, or delete it")
        self.model.load_state_dict(saved["model"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.state = State(**saved["state"])

    def save(self) -> None:
        """Whole or not at all."""
        if not self.group.is_first:
            return
        unfinished = self.checkpoint.with_suffix(".part")
        content = {
            "shape": self.shape.to_dict(),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "state": vars(self.state),
        }
        torch.save(content, unfinished)
        unfinished.replace(self.checkpoint)

    def log(self, **values: object) -> None:
        if not self.group.is_first:
            return
        line = json.dumps(values)
        print(line, flush=True)
        with (self.options.out / "log.jsonl").open("a") as log:
            log.write(line + "\n")

    def train(self) -> None:
        options, state = self.options, self.state
        if state.is_done:
            print("the run is complete; delete its folder to train anew")
            return
        state.pieces += 1
        n_parameters = sum(param.numel() for param in self.model.parameters())
        self.log(start=state.pieces, device=device_name(self.group.size), parameters=n_parameters, **self.shape.to_dict())
        seed = (options.seed * 100 + state.pieces) * 100 + self.group.rank
        mixture = Mixture(context=options.context_share, rust=options.rust_share)
        batches = Batches(options.store, options.tokenizer, self.shape.context, options.rows, seed, mixture)
        source = loader(batches, options.workers, self.device == "cuda")
        forward = torch.compile(self.model) if options.compile else self.model
        piece_start, last_log = time.monotonic(), (time.monotonic(), state.tokens)
        last_save = last_check = time.monotonic()
        before = state.seconds
        is_over = state.progress(options.budget) >= 1
        while not is_over:
            is_last = self.is_stopped or state.seconds - before >= options.slice
            loss, rate, is_over = self.step(forward, source, is_last)
            now = time.monotonic()
            state.seconds = before + now - piece_start
            if now - last_log[0] > LOG_SECONDS or state.steps == 1:
                speed = (state.tokens - last_log[1]) / (now - last_log[0])
                self.log(step=state.steps, seconds=round(state.seconds, 1), tokens=state.tokens,
                         loss=round(loss, 4), rate=round(rate, 3), tokens_per_second=round(speed))  # fmt: skip
                last_log = (now, state.tokens)
            if now - last_save > options.save_every:
                self.save()
                last_save = time.monotonic()
            if now - last_check > options.check_every:
                self.log(seconds=round(state.seconds), tokens=state.tokens, bits_per_byte=self.bits_per_byte(QUICK))
                last_check = time.monotonic()
                piece_start += last_check - now
        self.finish()

    def step(self, forward, source, is_last: bool) -> tuple[float, float, bool]:
        """One step of all processes; the first one decides on the learning rate and whether it was the last step.

        Returns the loss per unit of weight, the rate, and whether it is over.
        """
        options = self.options
        ids, weights = (t.to(self.device, non_blocking=True) for t in next(source))
        ids = ids.long()
        with torch.autocast(self.device, torch.bfloat16, enabled=not options.fp32):
            loss = forward(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), weights[:, 1:].contiguous())
        # The sum divided by the number of tokens, so that nothing overflows; what the weights add up to comes below.
        (loss / ids.numel()).backward()
        progress = self.state.progress(options.budget)
        rate = rate_at(progress, options.warm, options.decay_from)
        decisions = [rate, float(is_last or progress >= 1)] if self.group.is_first else [0.0, 0.0]
        sums = [loss.detach(), weights[:, 1:].sum(), ids.numel(), *decisions]
        tallies = self.group.add_up(self.model, torch.stack([torch.as_tensor(x, device=self.device).float() for x in sums]))
        total, weight, n_tokens, rate, is_over = tallies.tolist()
        for param in self.model.parameters():
            param.grad.mul_(ids.numel() / max(weight, 1.0))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate
        torch.nn.utils.clip_grad_norm_([p for g in self.optimizers[1].param_groups for p in g["params"]], 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.state.steps += 1
        self.state.tokens += int(n_tokens)
        return total / max(weight, 1.0), rate, bool(is_over)

    def bits_per_byte(self, count: int) -> dict[str, float]:
        """While the first process measures, the others wait for it in the next step."""
        if not self.group.is_first:
            return {}
        return bits_per_byte(self.model, self.options.store, self.options.tokenizer, count)

    def finish(self) -> None:
        self.state.is_done = self.state.progress(self.options.budget) >= 1
        self.save()
        summary = {"done": self.state.is_done, **vars(self.state)}
        if self.state.is_done and self.group.is_first:
            summary["bits_per_byte"] = self.bits_per_byte(self.options.final_samples)
            summary["device"] = device_name(self.group.size)
            (self.options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        self.log(**summary)


def shape_of(options: argparse.Namespace) -> Shape:
    """A named shape, with what was said otherwise, and the tokenizer's own size."""
    names = ("layers", "dim", "heads", "kv_heads", "ff", "context")
    said = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return replace(SHAPES[options.shape], vocabulary=BytePairs(options.tokenizer).size, **said)


def start_from(path: Path, model: Model) -> int:
    """Takes the weights of a GGUF of the same or a smaller shape. Returns the tokens it was trained on."""
    from .export import described, read_weights

    try:
        take_over(model, read_weights(path))
    except ValueError as error:
        raise SystemExit(f"{path} does not fit into the shape: {error}") from None
    return described(path, "ghostline.training.tokens")


def deadline(until: str | None) -> float:
    """The next time the clock shows `HH:MM`, in seconds since 1970; 0 for never."""
    if not until:
        return 0.0
    now = datetime.now()
    end = datetime.combine(now.date(), datetime.strptime(until, "%H:%M").time())
    return (end if end > now else end + timedelta(days=1)).timestamp()


def has_bf16() -> bool:
    """Whether products in bf16 are faster than in fp32 here."""
    return torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()


def device_name(n_processes: int) -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{n_processes} x {torch.get_num_threads()} CPU threads"


def train(options: argparse.Namespace, group: Group) -> None:
    Run(options, group).train()


def parse() -> argparse.Namespace:
    is_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="small")
    for name in ("layers", "dim", "heads", "kv-heads", "ff", "context"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--start-from", type=Path, metavar="GGUF", help="weights to begin with, of this or a smaller shape")
    parser.add_argument("--budget", type=float, default=3600, help="seconds of training, in all pieces together")
    parser.add_argument("--until", help="HH:MM; the run ends then, instead of after a budget")
    parser.add_argument("--slice", type=float, default=float("inf"), help="stop after so many seconds, to go on later")
    parser.add_argument("--rows", type=int, default=64 if is_cuda else 8, help="rows per step and process")
    parser.add_argument("--processes", type=int, default=1 if is_cuda else min(8, os.cpu_count() or 1))
    parser.add_argument("--lr", type=float, default=6e-3 if is_cuda else 1e-2, help="of embeddings and norms")
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--weight-decay", type=float, default=0.1 if is_cuda else 0.05)
    parser.add_argument("--warm", type=float, default=0.01, help="share of the run")
    parser.add_argument("--decay-from", type=float, default=0.4 if is_cuda else 0.3, help="share of the run")
    parser.add_argument("--context-share", type=float, default=0.15, help="examples with text from other files")
    parser.add_argument("--rust-share", type=float, default=0.5, help="examples in Rust; the others are in Python")
    parser.add_argument("--fp32", action=argparse.BooleanOptionalAction, default=not has_bf16(),
                        help="needed where the CPU has no bf16 products")  # fmt: skip
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=is_cuda,
                        help="costs minutes and gives nothing on the CPU")  # fmt: skip
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1) if is_cuda else 0)
    parser.add_argument("--save-every", type=float, default=180)
    parser.add_argument("--check-every", type=float, default=600)
    parser.add_argument("--final-samples", type=int, default=THOROUGH)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    together.run(options.processes, options.out / "meeting-place", partial(train, options))
