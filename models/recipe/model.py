"""The model: llama's architecture, with a tied embedding, written so that both a CPU and a GPU are kept busy.

Names of shapes: B rows, T tokens, D width, H heads.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPSILON = 1e-5
#: Rows of logits that are computed at once on the CPU.
CHUNK = 512
#: Parts of the queries that attend one after the other on the CPU; each sees only the keys up to its end.
ATTENTION_BLOCKS = 4


@dataclass(frozen=True)
class Shape:
    """Few wide layers: in llama.cpp a layer costs about 23 µs per token before any arithmetic."""

    layers: int
    dim: int
    heads: int
    kv_heads: int
    ff: int
    context: int
    vocabulary: int = 8192
    theta: float = 10_000.0

    def to_dict(self) -> dict:
        return asdict(self)


#: `tiny` only proves that the recipe works, `mini` is for hours on a CPU; see the card for what they cost at run time.
SHAPES = {
    "tiny": Shape(layers=2, dim=128, heads=2, kv_heads=1, ff=320, context=256),
    "mini": Shape(layers=4, dim=192, heads=3, kv_heads=1, ff=512, context=512),
    "small": Shape(layers=5, dim=320, heads=5, kv_heads=1, ff=896, context=768),
    "medium": Shape(layers=5, dim=448, heads=7, kv_heads=1, ff=1280, context=1024),
}


class Norm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.size(-1),), self.weight.to(x.dtype), NORM_EPSILON)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on interleaved pairs, as llama.cpp does for `llama`: export needs no permutation."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention, [B, H, T, D / H].

    On the CPU blocks of plain products, so that most of what no query may see is never computed: tokens per CPU second
    of training 4 × 192, 16 rows of 512, in fp32: 1,503 with PyTorch 2.15's flash kernel, 1,916 with two blocks and
    2,068 with four (two cores of an AVX2 EPYC at 2.4 GHz, one busy; the flash kernel while both were).
    """
    n_tokens = q.size(2)
    if q.is_cuda or n_tokens % ATTENTION_BLOCKS:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    step = n_tokens // ATTENTION_BLOCKS
    q = q / math.sqrt(q.size(-1))
    outputs = []
    for start in range(0, n_tokens, step):
        end = start + step
        scores = q[:, :, start:end] @ k[:, :, :end].transpose(-1, -2)
        scores = scores + _causal(step, end, start, scores.dtype)
        outputs.append(torch.softmax(scores, -1) @ v[:, :, :end])
    return torch.cat(outputs, 2)


def _causal(n_queries: int, n_keys: int, offset: int, dtype: torch.dtype) -> Tensor:
    return torch.full((n_queries, n_keys), float("-inf"), dtype=dtype).triu(1 + offset)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = shape.heads, shape.kv_heads, shape.dim // shape.heads
        dim, kv_dim = shape.dim, shape.kv_heads * self.head_dim
        self.attn_norm, self.ffn_norm = Norm(dim), Norm(dim)
        self.attn_q, self.attn_output = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.attn_k, self.attn_v = nn.Linear(dim, kv_dim, bias=False), nn.Linear(dim, kv_dim, bias=False)
        self.ffn_gate, self.ffn_up = nn.Linear(dim, shape.ff, bias=False), nn.Linear(dim, shape.ff, bias=False)
        self.ffn_down = nn.Linear(shape.ff, dim, bias=False)
        for layer in (self.attn_q, self.attn_k, self.attn_v, self.ffn_gate, self.ffn_up):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(dim))
        for layer in (self.attn_output, self.ffn_down):
            nn.init.zeros_(layer.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        n_rows, n_tokens, dim = x.shape
        y = self.attn_norm(x)
        q, k, v = (
            layer(y).view(n_rows, n_tokens, heads, self.head_dim).transpose(1, 2)
            for layer, heads in ((self.attn_q, self.heads), (self.attn_k, self.kv_heads), (self.attn_v, self.kv_heads))
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.kv_heads != self.heads:
            k, v = (t.repeat_interleave(self.heads // self.kv_heads, 1) for t in (k, v))
        x = x + self.attn_output(attend(q, k, v).transpose(1, 2).reshape(n_rows, n_tokens, dim))
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class ChunkedLoss(torch.autograd.Function):
    """Output head and weighted cross entropy, some rows at a time; the gradients come with the forward pass. CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, embedding: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        head = embedding.detach().to(x.dtype)
        grad_x, grad_head = torch.empty_like(x), torch.zeros_like(embedding, dtype=torch.float32)
        total = x.new_zeros((), dtype=torch.float32)
        for start in range(0, x.size(0), CHUNK):
            rows = slice(start, start + CHUNK)
            logits = (x[rows] @ head.t()).float()
            target, weight = targets[rows, None], weights[rows, None]
            log_sum = torch.logsumexp(logits, -1, keepdim=True)
            total += ((log_sum - logits.gather(1, target)) * weight).sum()
            grad = logits.sub_(log_sum).exp_()
            grad.scatter_add_(1, target, torch.full_like(weight, -1.0)).mul_(weight)
            grad = grad.to(x.dtype)
            torch.mm(grad, head, out=grad_x[rows])
            grad_head.add_(grad.t() @ x[rows])
        ctx.save_for_backward(grad_x, grad_head)
        return total

    @staticmethod
    def backward(ctx, grad: Tensor):
        grad_x, grad_head = ctx.saved_tensors
        return grad_x * grad.to(grad_x.dtype), grad_head * grad, None, None


class Model(nn.Module):
    def __init__(self, shape: Shape, is_bf16: bool = True) -> None:
        super().__init__()
        self.shape = shape
        self.dtype = torch.bfloat16 if is_bf16 else torch.float32
        self.token_embd = nn.Embedding(shape.vocabulary, shape.dim)
        nn.init.normal_(self.token_embd.weight, std=0.02)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = Norm(shape.dim)
        head_dim = shape.dim // shape.heads
        pace = 1 / shape.theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
        angles = torch.outer(torch.arange(shape.context).float(), pace)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def hidden(self, inputs: Tensor) -> Tensor:
        """What the head reads, [B, T, D]."""
        n_tokens = inputs.size(1)
        x = self.token_embd(inputs).to(self.dtype)
        cos, sin = self.cos[:n_tokens].to(self.dtype), self.sin[:n_tokens].to(self.dtype)
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output_norm(x)

    def logits(self, inputs: Tensor) -> Tensor:
        x = self.hidden(inputs)
        return F.linear(x, self.token_embd.weight.to(x.dtype))

    def forward(self, inputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of the losses of predicting `targets`, in nats."""
        x = self.hidden(inputs).flatten(0, 1)
        targets, weights = targets.flatten(), weights.flatten()
        if not x.is_cuda and torch.is_grad_enabled():
            return ChunkedLoss.apply(x, self.token_embd.weight, targets, weights)
        logits = F.linear(x, self.token_embd.weight.to(x.dtype)).float()
        return (F.cross_entropy(logits, targets, reduction="none") * weights).sum()
