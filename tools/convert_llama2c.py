#!/usr/bin/env python3
"""Write a llama2.c model (model.bin, version 0, and its tokenizer.bin) as a float32 GGUF file.

    pip install gguf numpy
    python tools/convert_llama2c.py stories260K.bin tok512.bin stories260K.gguf

The GPTQ format holds multiples of 32 outputs and whole groups of inputs: the MLP's width is raised to a multiple of 64 with
rows and columns of zeros, which changes no output.

Formats: github.com/karpathy/llama2.c, run.c (memory_map_weights, build_tokenizer). Both programs turn pairs of neighbouring
values by RoPE, so no row moves.
"""

import argparse
import struct

import gguf
import numpy as np


def read_vocabulary(path, size):
    data = open(path, "rb").read()
    offset, tokens, scores, kinds = 4, [], [], []  # after the length of the longest token
    for index in range(size):
        score, length = struct.unpack_from("<fi", data, offset)
        text = data[offset + 8:offset + 8 + length]
        offset += 8 + length
        if index < 3:
            text, kind = (b"<unk>", b"<s>", b"</s>")[index], gguf.TokenType.UNKNOWN if index == 0 else gguf.TokenType.CONTROL
        elif index < 3 + 256:
            kind = gguf.TokenType.BYTE
        else:
            text, kind = text.replace(b" ", "▁".encode()), gguf.TokenType.NORMAL
        tokens.append(text)
        scores.append(score)
        kinds.append(kind)
    return tokens, scores, kinds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("out")
    options = parser.parse_args()

    data = open(options.model, "rb").read()
    dim, hidden, layers, heads, kv_heads, vocabulary, positions = struct.unpack_from("<7i", data)
    values = np.frombuffer(data, np.float32, offset=28)
    head_dim = dim // heads
    place = 0

    def take(*shape):
        nonlocal place
        count = int(np.prod(shape))
        place += count
        return values[place - count:place].reshape(shape)

    size = abs(vocabulary)
    embedding = take(size, dim)
    norms = {"attn_norm": take(layers, dim)}
    matrices = {
        "attn_q": take(layers, dim, dim), "attn_k": take(layers, kv_heads * head_dim, dim),
        "attn_v": take(layers, kv_heads * head_dim, dim), "attn_output": take(layers, dim, dim)}
    norms["ffn_norm"] = take(layers, dim)
    matrices |= {
        "ffn_gate": take(layers, hidden, dim), "ffn_down": take(layers, dim, hidden), "ffn_up": take(layers, hidden, dim)}
    width = (hidden + 63) // 64 * 64
    for name, axis in (("ffn_gate", 1), ("ffn_down", 2), ("ffn_up", 1)):
        padding = [(0, 0)] * 3
        padding[axis] = (0, width - hidden)
        matrices[name] = np.pad(matrices[name], padding)
    final_norm = take(dim)
    take(2, positions * head_dim // 2)  # cosines and sines
    head = None if vocabulary > 0 else take(size, dim)
    if place != len(values):
        raise SystemExit(f"{options.model}: {len(values)} values, its header says {place}")

    writer = gguf.GGUFWriter(options.out, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(positions)
    writer.add_embedding_length(dim)
    writer.add_feed_forward_length(width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens, scores, kinds = read_vocabulary(options.tokenizer, size)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", final_norm)
    if head is not None:
        writer.add_tensor("output.weight", head)
    for names in (norms, matrices):
        for name, stacked in names.items():
            for layer in range(layers):
                writer.add_tensor(f"blk.{layer}.{name}.weight", stacked[layer])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
