"""From a checkpoint to GGUF, and what quantisation costs.

    python -m recipe.export checkpoint.pt FOLDER --name ghostline-small [--types f16,q8_0,q5_0,q4_0] [--measure STORE]

`--measure` computes bits per byte on held-out text with the weights as they come out of each file: written, read
again and dequantised. What llama.cpp itself rounds (activations to 8 bits) is not in that.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType

from .model import NORM_EPSILON, Model, Shape
from .progress import say
from .quality import bits_per_byte
from .tokenizer import COMMITTED, PRE_TOKENIZER
from .tokens import CONTROL, END, MIDDLE, PAD, PREFIX, SEPARATOR, SUFFIX

TYPES = {
    "f16": (Type.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (Type.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q5_0": (Type.Q5_0, LlamaFileType.MOSTLY_Q5_0),
    "q4_0": (Type.Q4_0, LlamaFileType.MOSTLY_Q4_0),
}
#: Elements that share a scale in all these types.
BLOCK = 32


def write(saved: dict, tokenizer: Path, path: Path, name: str, kind: str, summary: dict) -> None:
    shape = Shape(**saved["shape"])
    writer = gguf.GGUFWriter(path, "llama")
    add_description(writer, name, summary)
    add_shape(writer, shape, TYPES[kind][1])
    add_vocabulary(writer, tokenizer)
    for tensor, values in saved["model"].items():
        add_tensor(writer, tensor, values.float().numpy(), TYPES[kind][0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_description(writer: gguf.GGUFWriter, name: str, summary: dict) -> None:
    """Who it is, and how it came to be: the checkpoint's counts, and the run's summary where there is one."""
    writer.add_name(name)
    writer.add_license("MIT")
    writer.add_languages(["rust", "python"])
    bits = summary.get("bits_per_byte", {})
    quality = ", ".join(f"{kind} {value}" for kind, value in bits.items())
    n_tokens = summary["tokens"] + summary.get("tokens_before", 0)
    writer.add_description(
        f"Fill-in-the-middle for Rust and Python. Trained on {n_tokens} tokens of permissively licensed code"
        f" in {summary['seconds']:.0f} s" + (f"; bits per byte on held-out packages: {quality}" if quality else "")
    )
    writer.add_string("ghostline.fim.order", "suffix-prefix-middle")
    writer.add_uint64("ghostline.training.tokens", n_tokens)
    writer.add_uint32("ghostline.training.steps", summary["steps"])
    writer.add_float32("ghostline.training.seconds", summary["seconds"])
    if "device" in summary:
        writer.add_string("ghostline.training.device", summary["device"])


def add_shape(writer: gguf.GGUFWriter, shape: Shape, file_type: LlamaFileType) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.dim)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ff)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.dim // shape.heads)
    writer.add_rope_freq_base(shape.theta)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Path) -> None:
    model = json.loads(tokenizer.read_text())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    if tuple(tokens[: len(CONTROL)]) != CONTROL:
        raise SystemExit(f"{tokenizer} does not begin with the control tokens")
    kinds = [gguf.TokenType.CONTROL if idx < len(CONTROL) else gguf.TokenType.NORMAL for idx in range(len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(END)
    writer.add_eos_token_id(END)
    writer.add_eot_token_id(END)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
    for key, token in (("pre", PREFIX), ("suf", SUFFIX), ("mid", MIDDLE), ("pad", PAD), ("sep", SEPARATOR)):
        writer.add_uint32(f"tokenizer.ggml.fim_{key}_token_id", token)


def add_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray, kind: Type) -> None:
    """Norms stay F32. The embedding is the output head, too: below 8 bits it costs more than it saves."""
    if values.ndim == 1:
        writer.add_tensor(name, values.astype(np.float32))
        return
    if name.startswith("token_embd") and kind in (Type.Q4_0, Type.Q5_0):
        kind = Type.Q8_0
    if kind == Type.F16 or values.shape[-1] % BLOCK:
        writer.add_tensor(name, values.astype(np.float16))
    else:
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a GGUF, dequantised, by their names, which are the model's own."""
    weights = {}
    for tensor in gguf.GGUFReader(path).tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        shape_here = tuple(reversed(tensor.shape.tolist()))
        weights[tensor.name] = torch.from_numpy(np.array(values, np.float32).reshape(shape_here))
    return weights


def read(path: Path, shape: Shape) -> Model:
    model = Model(shape, is_bf16=False)
    model.load_state_dict(read_weights(path))
    return model.eval()


def described(path: Path, key: str) -> int:
    """A number of the metadata; 0 where there is none."""
    field = gguf.GGUFReader(path).get_field(key)
    return int(field.contents()) if field else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, default=COMMITTED)
    parser.add_argument("--name", default="ghostline-small")
    parser.add_argument("--types", default="f16,q8_0,q5_0,q4_0")
    parser.add_argument("--measure", type=Path, metavar="STORE")
    parser.add_argument("--samples", type=int, default=128)
    options = parser.parse_args()
    saved = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    summary = dict(saved["state"])
    beside = options.checkpoint.with_name("summary.json")
    if beside.exists():
        summary |= json.loads(beside.read_text())
    options.folder.mkdir(parents=True, exist_ok=True)
    losses = {}
    if options.measure:
        model = Model(Shape(**saved["shape"]), is_bf16=False)
        model.load_state_dict({name: values.float() for name, values in saved["model"].items()})
        losses["trained"] = bits_per_byte(model.eval(), options.measure, options.tokenizer, options.samples)
        say(f"trained: {losses['trained']}")
    for kind in options.types.split(","):
        path = options.folder / f"{options.name}-{kind}.gguf"
        write(saved, options.tokenizer, path, options.name, kind, summary)
        say(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
        if options.measure:
            model = read(path, Shape(**saved["shape"]))
            losses[kind] = bits_per_byte(model, options.measure, options.tokenizer, options.samples)
            say(f"{kind}: {losses[kind]}")
    if losses:
        (options.folder / "quantisation.json").write_text(json.dumps(losses, indent=1) + "\n")


if __name__ == "__main__":
    main()
