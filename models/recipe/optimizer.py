"""Muon for the matrices inside the layers, AdamW for the rest, and the learning rate over the run."""

import torch
from torch import Tensor

from .model import Model

#: Coefficients of the Newton-Schulz iteration, from Muon's author.
A, B, C = 3.4445, -4.7750, 2.0315
STEPS = 5


@torch.no_grad()
def orthogonal(matrices: Tensor) -> Tensor:
    """Each matrix of a stack with its singular values moved near 1."""
    # On CPUs without bf16 products these take thirty times as long as in fp32.
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    is_tall = x.size(-2) > x.size(-1)
    x = x.mT if is_tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = A * x + (B * square + C * square @ square) @ x
    return (x.mT if is_tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal; matrices of one shape are updated together."""

    def __init__(self, params: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for param in group["params"]:
                if param.grad is not None:
                    by_shape.setdefault(param.shape, []).append(param)
            for shape, params in by_shape.items():
                updates = orthogonal(torch.stack([self._momentum(param, group["momentum"]) for param in params]))
                rate = group["lr"] * max(1, shape[0] / shape[1]) ** 0.5
                for param, update in zip(params, updates, strict=True):
                    param.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _momentum(self, param: Tensor, momentum: float) -> Tensor:
        """Nesterov's look ahead."""
        state = self.state[param]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(param)
        state["momentum"].lerp_(param.grad, 1 - momentum)
        return param.grad.lerp(state["momentum"], momentum)


def optimizers(model: Model, lr: float, muon_lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    matrices = [param for param in model.blk.parameters() if param.ndim == 2]
    inside = {id(param) for param in matrices}
    rest = [param for param in model.parameters() if id(param) not in inside]
    adam = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    both = [Muon(matrices, lr=muon_lr, weight_decay=weight_decay), adam]
    for optimizer in both:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return both


def rate_at(progress: float, warm: float, decay_from: float) -> float:
    """The share of the peak learning rate: up, level, then down to nothing at the end of the budget."""
    if progress > decay_from:
        return max(0.0, (1 - progress) / (1 - decay_from))
    return min(1.0, progress / warm) if warm else 1.0
