#!/usr/bin/env python3
"""Writes a GGUF with random weights and the exact shapes of a Qwen2.5-Coder model.

What it says is nonsense; how long it takes is what the real one takes, so that latency and tokens per second of
larger models can be measured without their weights. Nothing is downloaded. `docs/performance.md` says how to use it.

    python3 -m venv target/models && target/models/bin/pip install gguf==0.17.1 numpy==2.4.6
    target/models/bin/python benches/random_model.py 1.5b q8_0 target/models/1.5b-q8_0.gguf

The vocabulary is a synthetic byte-level one of the same size with the same control tokens, made of the words of
Python's own library, so that code becomes about as many tokens as with the real one. One tensor is in memory at a time.
"""

import argparse
import collections
import pathlib
import re
import sysconfig

import gguf
import numpy as np

# Width, layers, heads, heads of keys and values, feed-forward width, size of the vocabulary, embeddings used for
# the output, too; from the models' config.json.
SHAPES = {
    "0.5b": (896, 24, 14, 2, 4864, 151_936, True),
    "1.5b": (1536, 28, 12, 2, 8960, 151_936, True),
    "7b": (3584, 28, 28, 4, 18_944, 152_064, False),
}
TYPES = {"f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0}
FILE_TYPES = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}

# Qwen2.5's, from id 151,643 on.
N_WORDS = 151_643
CONTROL = """<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>
<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|> <tool_call>
</tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>""".split()


def byte_letters():
    """GPT-2's letters for bytes: printable ones stand for themselves, the others are moved up."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in letters)
    return letters | {byte: chr(256 + n) for n, byte in enumerate(others)}


def words():
    """What stands in Python's own library, the most frequent first, as a pre-tokeniser cuts it."""
    counts = collections.Counter()
    for path in sorted(pathlib.Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        counts.update(re.findall(r" ?[A-Za-z_]+| ?[^\sA-Za-z_0-9]+|\n+ *| +(?= )", text))
    return [word for word, _ in counts.most_common()]


def vocabulary():
    """Tokens and the merges that make them: every word is put together from its left end."""
    letters = byte_letters()
    tokens = list(letters.values())
    merges, known = [], set(tokens)

    def join(left, right):
        if left + right not in known and len(tokens) < N_WORDS:
            merges.append(f"{left} {right}")
            tokens.append(left + right)
            known.add(left + right)

    for word in words():
        word = [letters[byte] for byte in word.encode()][:24]
        for end in range(1, len(word)):
            join("".join(word[:end]), word[end])
    # As many as are still missing, of any kind.
    for left in list(tokens):
        for letter in "abcdefghijklmnopqrstuvwxyz":
            join(left, letter)
        if len(tokens) == N_WORDS:
            return tokens, merges
    raise SystemExit("there are too few words for the vocabulary")


def write_vocabulary(writer, size):
    tokens, merges = vocabulary()
    kinds = [gguf.TokenType.NORMAL] * len(tokens)
    tokens += CONTROL
    kinds += [gguf.TokenType.CONTROL] * len(CONTROL)
    unused = size - len(tokens)
    tokens += [f"[PAD{n}]" for n in range(unused)]
    kinds += [gguf.TokenType.UNUSED] * unused
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    end = N_WORDS + CONTROL.index("<|endoftext|>")
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end)
    writer.add_bos_token_id(end)
    writer.add_add_bos_token(False)
    for name in ("prefix", "middle", "suffix", "pad"):
        token = N_WORDS + CONTROL.index(f"<|fim_{name}|>")
        writer.add_uint32(f"tokenizer.ggml.fim_{name[:3]}_token_id", token)


def tensors(shape):
    """Names and shapes, rows first, as PyTorch has them."""
    width, layers, heads, kv_heads, forward, size, is_tied = shape
    kv_width = width // heads * kv_heads
    yield "token_embd.weight", (size, width)
    for layer in range(layers):
        for name, dimensions in {
            "attn_norm.weight": (width,),
            "attn_q.weight": (width, width),
            "attn_q.bias": (width,),
            "attn_k.weight": (kv_width, width),
            "attn_k.bias": (kv_width,),
            "attn_v.weight": (kv_width, width),
            "attn_v.bias": (kv_width,),
            "attn_output.weight": (width, width),
            "ffn_norm.weight": (width,),
            "ffn_gate.weight": (forward, width),
            "ffn_up.weight": (forward, width),
            "ffn_down.weight": (width, forward),
        }.items():
            yield f"blk.{layer}.{name}", dimensions
    yield "output_norm.weight", (width,)
    if not is_tied:
        yield "output.weight", (size, width)


def values(random, name, dimensions):
    if name.endswith("norm.weight"):
        return np.ones(dimensions, np.float32)
    if name.endswith("bias"):
        return np.zeros(dimensions, np.float32)
    # Rows of the usual size keep activations within range, whatever the width.
    return random.standard_normal(dimensions, np.float32) * np.float32(dimensions[-1] ** -0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", choices=SHAPES)
    parser.add_argument("type", choices=TYPES)
    parser.add_argument("path", type=pathlib.Path)
    options = parser.parse_args()
    shape = SHAPES[options.size]
    width, layers, heads, kv_heads, forward, size, _ = shape

    writer = gguf.GGUFWriter(options.path, "qwen2")
    writer.add_name(f"random qwen2.5-coder {options.size} {options.type}")
    writer.add_context_length(32_768)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(FILE_TYPES[options.type])
    write_vocabulary(writer, size)

    def kind(dimensions):
        return gguf.GGMLQuantizationType.F32 if len(dimensions) == 1 else TYPES[options.type]

    for name, dimensions in tensors(shape):
        stored = gguf.quant_shape_to_byte_shape(dimensions, kind(dimensions))
        n_bytes = int(np.prod(stored))
        if kind(dimensions) == gguf.GGMLQuantizationType.Q8_0:
            writer.add_tensor_info(name, stored, np.dtype(np.uint8), n_bytes, kind(dimensions))
        else:
            of = np.dtype(np.float16 if len(dimensions) > 1 else np.float32)
            writer.add_tensor_info(name, dimensions, of, int(np.prod(dimensions)) * of.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(1)
    for name, dimensions in tensors(shape):
        tensor = values(random, name, dimensions)
        writer.write_tensor_data(gguf.quantize(tensor, kind(dimensions)))
    writer.close()


if __name__ == "__main__":
    main()
