"""Takes over the weights of a smaller shape, so that the larger one begins as what the smaller one ended as.

The larger model computes the same function at first: what is new in the residual stream is read, with random weights,
but not written; what is new in a layer (heads, hidden units) is computed but not added; layers that the smaller one
lacks add nothing. All of it learns from the first step on. After Net2Net (Chen et al. 2016) and LEMON (Wang et al.
2024); what RMSNorm divides by grows smaller with the zeros, so its weights are scaled by the root of the ratio.
"""

import math

from torch import Tensor

from .model import Model

#: Those that write to the residual stream; the embedding does, too, and reads from it as the output head.
WRITERS = ("attn_output.weight", "ffn_down.weight", "token_embd.weight")


def take_over(model: Model, weights: dict[str, Tensor]) -> None:
    """Puts `weights` of a shape with at most as many layers, heads and units into `model`."""
    own = model.state_dict()
    if problem := _misfit(own, weights):
        raise ValueError(problem)
    width = weights["output_norm.weight"].numel()
    scale = math.sqrt(width / model.shape.dim)
    for name, values in weights.items():
        part = tuple(slice(0, count) for count in values.shape)
        if name.endswith(WRITERS):
            own[name].zero_()
        own[name][part] = values * scale if values.ndim == 1 else values


def _misfit(own: dict[str, Tensor], weights: dict[str, Tensor]) -> str | None:
    for name, values in weights.items():
        if name not in own:
            return f"{name} is not in the shape"
        if values.ndim != own[name].ndim or any(a > b for a, b in zip(values.shape, own[name].shape)):
            return f"{name} is {tuple(values.shape)}, more than the shape's {tuple(own[name].shape)}"
    for name, values in own.items():
        # A KV head serves a block of neighbouring heads, so a second one would take some from the first.
        if name.endswith("attn_k.weight") and name in weights and values.size(0) != weights[name].size(0):
            return f"{name} has another number of KV heads, or heads of another width"
        if name not in weights and not name.startswith("blk."):
            return f"{name} is missing"
    return None
