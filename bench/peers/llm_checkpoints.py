#!/usr/bin/env python3
"""Make the same Llama-shaped weights as a Hugging Face folder and as a GGUF file.

    PYTHON bench/peers/llm_checkpoints.py dequantize MODEL.gguf LIKE OUT --dtype bfloat16
    PYTHON bench/peers/llm_checkpoints.py random MODEL.gguf LIKE OUT [--gguf OUT.gguf] [--seed 1] [--dtype bfloat16]

PYTHON has numpy and gguf 0.19. MODEL.gguf is a model of llama.cpp's architecture "llama" with a tied embedding; LIKE is a folder
that `assay quantize` wrote from it, for its config.json and its tokenizer. `dequantize` writes its weights, rounded, into the folder
OUT. `random` writes normal weights of deviation 0.02 in the shape RANDOM_SHAPE into OUT, and as F16 into OUT.gguf with
MODEL.gguf's tokenizer. Everything is written beside its place and renamed when it is whole.
"""

import argparse
import json
import pathlib
import shutil

import gguf
import numpy as np

# 1.07 thousand million parameters, rows of 2048 and 8192, which K-quants need (multiples of 256).
RANDOM_SHAPE = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
                "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 2048}
DEVIATION = 0.02
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
# GGUF's names of a block's tensors, and Hugging Face's.
BLOCK = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
         "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
OUTER = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def hugging_face_name(name):
    if name in OUTER:
        return OUTER[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{BLOCK[part]}.{kind}"


def interleaved(weight, heads):
    """Rows of each head as llama.cpp has them, whose rotation takes neighbours; Hugging Face's takes the two halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def halves(weight, heads):
    """The reverse of `interleaved`."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def to_bfloat16(values):
    """Bits, rounded to the nearest, ties to even. Finite values only."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


ROUND = {"bfloat16": to_bfloat16, "float16": lambda values: values.astype(np.float16), "float32": lambda values: values.astype(np.float32)}
SAFETENSORS_TYPE = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


class SafetensorsFile:
    """Tensors of one type, written in the order of `shapes` ({name: shape})."""

    def __init__(self, path, shapes, dtype):
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        value_bytes = 4 if dtype == "float32" else 2
        for name, shape in shapes.items():
            end = offset + value_bytes * int(np.prod(shape))
            header[name] = {"dtype": SAFETENSORS_TYPE[dtype], "shape": list(shape), "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self._file = open(path, "wb")
        self._file.write(len(text).to_bytes(8, "little") + text)

    def add(self, values):
        self._file.write(values.tobytes())

    def close(self):
        self._file.close()


def write_folder(like, out, config, shapes, dtype, tensors):
    """`tensors` yields the values in the order of `shapes`, rounded already."""
    scratch = out.with_name(out.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        if (like / name).exists():
            shutil.copyfile(like / name, scratch / name)
    (scratch / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    file = SafetensorsFile(scratch / "model.safetensors", shapes, dtype)
    for values in tensors:
        file.add(values)
    file.close()
    scratch.rename(out)


def plain_config(like, dtype, **shape):
    config = json.loads((like / "config.json").read_text())
    config.pop("quantization_config", None)
    config.pop("dtype", None)
    return {**config, **shape, "torch_dtype": dtype}


def dequantize(args):
    reader = gguf.GGUFReader(args.model)
    heads = {part: int(reader.fields[f"llama.attention.{key}"].contents())
             for part, key in (("attn_q", "head_count"), ("attn_k", "head_count_kv"))}

    def values(tensor):
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        return ROUND[args.dtype](halves(weight, heads[part]) if part in heads else weight)

    shapes = {hugging_face_name(t.name): [int(n) for n in reversed(t.shape)] for t in reader.tensors}
    write_folder(args.like, args.out, plain_config(args.like, args.dtype), shapes, args.dtype, map(values, reader.tensors))


def random_tensors(shape, vocabulary):
    """{GGUF name: shape in Hugging Face's order} of a model without biases."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    q, kv = (shape[key] * shape["head_dim"] for key in ("num_attention_heads", "num_key_value_heads"))
    block = {"attn_norm": (hidden,), "attn_q": (q, hidden), "attn_k": (kv, hidden), "attn_v": (kv, hidden), "attn_output": (hidden, q),
             "ffn_norm": (hidden,), "ffn_gate": (inner, hidden), "ffn_up": (inner, hidden), "ffn_down": (hidden, inner)}
    tensors = {"token_embd.weight": (vocabulary, hidden), "output_norm.weight": (hidden,)}
    for layer in range(shape["num_hidden_layers"]):
        tensors.update({f"blk.{layer}.{part}.weight": size for part, size in block.items()})
    return tensors


def random_values(index, shape, dtype, seed):
    """Rounded already. Norms are ones, as a model begins."""
    if len(shape) == 1:
        return ROUND[dtype](np.ones(shape, np.float32))
    normal = np.random.default_rng([seed, index]).standard_normal(shape, np.float32)
    return ROUND[dtype](normal * np.float32(DEVIATION))


def widened(values):
    return from_bfloat16(values) if values.dtype == np.uint16 else values.astype(np.float32)


def write_random_gguf(path, source, tensors, values):
    """F16, norms F32; `values(index, shape)` are rounded weights in Hugging Face's order of rows."""
    shape = RANDOM_SHAPE
    reader = gguf.GGUFReader(source)
    scratch = path.with_name(path.name + ".partial")
    writer = gguf.GGUFWriter(scratch, "llama")
    writer.add_name("random weights")
    writer.add_context_length(shape["max_position_embeddings"])
    writer.add_embedding_length(shape["hidden_size"])
    writer.add_block_count(shape["num_hidden_layers"])
    writer.add_feed_forward_length(shape["intermediate_size"])
    writer.add_head_count(shape["num_attention_heads"])
    writer.add_head_count_kv(shape["num_key_value_heads"])
    writer.add_rope_dimension_count(shape["head_dim"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for name in ("llama.rope.freq_base", "llama.attention.layer_norm_rms_epsilon", "llama.vocab_size"):
        writer.add_key_value(name, reader.fields[name].contents(), reader.fields[name].types[0])
    for name, field in reader.fields.items():
        if name.startswith("tokenizer."):
            is_list = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=field.types[-1] if is_list else None)
    types = {name: np.dtype(np.float32 if len(size) == 1 else np.float16) for name, size in tensors.items()}
    for name, size in tensors.items():
        writer.add_tensor_info(name, size, types[name], int(np.prod(size)) * types[name].itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    heads = {"attn_q": shape["num_attention_heads"], "attn_k": shape["num_key_value_heads"]}
    for index, (name, size) in enumerate(tensors.items()):
        weight, part = widened(values(index, size)), name.split(".")[-2]
        writer.write_tensor_data((interleaved(weight, heads[part]) if part in heads else weight).astype(types[name]))
    writer.close()
    scratch.rename(path)


def make_random(args):
    vocabulary = int(gguf.GGUFReader(args.model).fields["llama.vocab_size"].contents())
    tensors = random_tensors(RANDOM_SHAPE, vocabulary)

    def values(index, shape):
        return random_values(index, shape, args.dtype, args.seed)

    if not args.out.exists():
        shapes = {hugging_face_name(name): list(size) for name, size in tensors.items()}
        config = plain_config(args.like, args.dtype, **RANDOM_SHAPE)
        write_folder(args.like, args.out, config, shapes, args.dtype, (values(i, size) for i, size in enumerate(tensors.values())))
    if args.gguf and not args.gguf.exists():
        write_random_gguf(args.gguf, args.model, tensors, values)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("dequantize", "random"))
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("like", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dtype", choices=tuple(ROUND), default="bfloat16")
    args = parser.parse_args()
    if args.what == "dequantize":
        dequantize(args)
    else:
        make_random(args)


if __name__ == "__main__":
    main()
