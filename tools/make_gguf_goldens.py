#!/usr/bin/env python3
"""Write GGUF counterparts of the tiny checkpoints in tests/goldens/families, and one file with every block type.

    python tools/make_gguf_goldens.py tests/goldens/gguf --families tests/goldens/families \
        --llama-cpp LLAMA_CPP_SOURCES --bindings PARENT_OF_llama_cpp_PACKAGE --libraries DIR_WITH_libllama

llama.cpp's own converter writes them (so metadata, names, permutations and shifts are its own); only the vocabulary is
synthetic. The logits are those of the family's folder: `golden.safetensors` there. Before a file is kept, llama.cpp runs
a float32 conversion of the same folder, and its distance to those logits goes to manifest.json.
"""

import argparse
import ctypes
import json
import os
import pathlib
import shutil
import sys
import tempfile
import types

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file as save_torch

import make_family_goldens as families

# folder: (type of the matrices, vocabulary, what to mind)
CASES = {
    "llama-gqa": ("f32", "spm", "rows of q and k permuted head by head, separate output.weight"),
    "llama-bias": ("f16", "spm", "biases; those of q and k are permuted like the rows"),
    "llama-rope-llama3": ("bf16", "bpe", "rope_freqs.weight holds the divisors of llama3 scaling, output tied"),
    "llama-rope-linear": ("f32", "spm", "llama.rope.scaling.type and .factor, output tied"),
    "qwen2": ("bf16", "bpe", "q and k not permuted, biases, output tied"),
    "qwen3": ("bf16", "bpe", "attn_q_norm and attn_k_norm, attention.key_length is not hidden / heads"),
    "gemma3": ("bf16", "spm", "norms stored with 1 added, gemma3.attention.sliding_window, five local layers to one global"),
    "gpt2-prefixed": ("f16", "bpe", "matrices transposed to [out, in], fused attn_qkv, output tied"),
    "gpt-neox": ("f16", "bpe", "attn_qkv regrouped from per-head q, k, v to all q, all k, all v"),
    "phi3-longrope": (
        "bf16", "spm", "rope_factors_long and _short; llama.cpp always takes the long ones when its context is longer than "
        "32, so only ids_0 agrees with it; ids_1 is transformers' choice"),
}
# llama.cpp multiplies float32 by float32 here; what remains is the order of sums and its tables for GELU (float16).
AGREEMENT = {"gpt2-prefixed": 5e-3, "gpt-neox": 5e-3, "gemma3": 5e-3}
DEFAULT_AGREEMENT = 2e-4


def synthetic_pieces(size, kind):
    """Tokens that look like a vocabulary: three control tokens, then letters, then pairs of them."""
    letters = [chr(code) for code in (*range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1))]
    space = "▁" if kind == "spm" else "Ġ"
    pieces = [space, *letters, *(space + letter for letter in letters)]
    return ["<unk>", "<s>", "</s>", *pieces][:size]


def write_vocabulary(writer, size, kind):
    tokens = synthetic_pieces(size, kind)
    token_types = [2, 3, 3] + [1] * (size - 3)  # unknown, control, normal
    writer.add_tokenizer_model("llama" if kind == "spm" else "gpt2")
    writer.add_tokenizer_pre("default" if kind == "spm" else "gpt-2")
    writer.add_token_list(tokens)
    if kind == "spm":
        writer.add_token_scores([-float(i) for i in range(size)])
    writer.add_token_types(token_types)
    if kind == "bpe":
        writer.add_token_merges([f"Ġ {token[1:]}" for token in tokens if token.startswith("Ġ") and len(token) == 2])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(kind == "spm")


class Converter:
    def __init__(self, sources):
        sys.path[:0] = [str(sources), str(sources / "gguf-py")]
        import conversion
        import gguf
        self.conversion, self.gguf = conversion, gguf

    def convert(self, folder, out, matrices, vocabulary):
        kind = {"f32": self.gguf.LlamaFileType.ALL_F32, "f16": self.gguf.LlamaFileType.MOSTLY_F16,
                "bf16": self.gguf.LlamaFileType.MOSTLY_BF16}[matrices]
        config = json.loads((folder / "config.json").read_text())
        base = self.conversion.get_model_class(config["architectures"][0])

        class WithSyntheticVocabulary(base):
            model_arch = base.model_arch

            def set_vocab(self):
                write_vocabulary(self.gguf_writer, config["vocab_size"], vocabulary)

        with tempfile.TemporaryDirectory() as scratch:
            copy = pathlib.Path(scratch) / folder.name
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("golden.*"))
            # Only counted by the converter of Gemma.
            tokens = {token: i for i, token in enumerate(synthetic_pieces(config["vocab_size"], vocabulary))}
            (copy / "tokenizer.json").write_text(json.dumps({"model": {"vocab": tokens}, "added_tokens": []}))
            with torch.inference_mode():
                # The config as published: what transformers 5 makes of it lacks keys that the converter reads.
                # The name: llama.cpp looks for certain tokens in a model called phi-3.
                WithSyntheticVocabulary(copy, kind, out, model_name="tiny random model", hparams=dict(config)).write()


class LlamaCpp:
    def __init__(self, bindings, libraries):
        os.environ["LLAMA_CPP_LIB_PATH"] = str(libraries)
        # The package's __init__ pulls in a chat server's needs; only the ctypes module is wanted.
        package = types.ModuleType("llama_cpp")
        package.__path__ = [str(bindings / "llama_cpp")]
        sys.modules["llama_cpp"] = package
        import llama_cpp.llama_cpp as api
        self.api = api
        self.silence = api.llama_log_callback(lambda level, text, data: None)
        api.llama_log_set(self.silence, ctypes.c_void_p(0))
        api.llama_backend_init()

    def logits(self, file, ids, vocab_size):
        api = self.api
        model_params = api.llama_model_default_params()
        model = api.llama_model_load_from_file(str(file).encode(), model_params)
        if not model:
            raise AssertionError(f"{file}: llama.cpp cannot load it")
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 256
        params.n_threads = params.n_threads_batch = 1
        params.type_k = params.type_v = 0  # float32
        params.flash_attn_type = 0
        context = api.llama_init_from_model(model, params)
        batch = api.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
            batch.seq_id[i][0] = 0
        if api.llama_decode(context, batch) != 0:
            raise AssertionError(f"{file}: llama_decode failed")
        rows = np.ctypeslib.as_array(api.llama_get_logits(context), (len(ids), vocab_size)).copy()
        api.llama_batch_free(batch)
        api.llama_free(context)
        api.llama_model_free(model)
        return rows


def distances(llama_cpp, file, golden):
    vocab_size = golden["logits_0"].shape[1]
    return [
        float(np.abs(llama_cpp.logits(file, golden[f"ids_{i}"], vocab_size) - golden[f"logits64_{i}"]).max())
        for i in (0, 1)]


def convert_families(args, converter, llama_cpp):
    entries = []
    for case, (matrices, vocabulary, note) in CASES.items():
        folder = args.families / case
        golden = load_file(folder / "golden.safetensors")
        file = args.out / f"{case}.gguf"
        with tempfile.TemporaryDirectory() as scratch:
            check = pathlib.Path(scratch) / "check.gguf"
            converter.convert(folder, check, "f32", vocabulary)
            found = distances(llama_cpp, check, golden)
        compared = found[:1] if case == "phi3-longrope" else found
        if not max(compared) < AGREEMENT.get(case, DEFAULT_AGREEMENT):
            raise AssertionError(f"{case}: llama.cpp is {found} away from transformers")
        converter.convert(folder, file, matrices, vocabulary)
        entries.append({"file": file.name, "golden": f"../families/{case}/golden.safetensors", "matrices": matrices,
                        "note": note, "llama_cpp_float32_max_abs_difference": found})
        print(f"{case:20} {file.stat().st_size:7d} bytes  llama.cpp - transformers {found}")
    return entries


# ---------------------------------------------------------------------------------------------------------------------
# One file with every quantized type.

MIXED = families.llama(vocab_size=101, hidden_size=256, intermediate_size=128, num_hidden_layers=2, head_dim=32,
                       num_key_value_heads=2)
MIXED_TYPES = {
    "token_embd.weight": "Q6_K", "output.weight": "Q8_0",
    "blk.0.attn_q.weight": "Q4_K", "blk.0.attn_k.weight": "Q5_K", "blk.0.attn_v.weight": "Q6_K",
    "blk.0.attn_output.weight": "Q5_0", "blk.0.ffn_gate.weight": "Q2_K", "blk.0.ffn_up.weight": "Q3_K",
    "blk.0.ffn_down.weight": "Q4_1",
    "blk.1.attn_q.weight": "Q3_K", "blk.1.attn_k.weight": "Q2_K", "blk.1.attn_v.weight": "Q8_0",
    "blk.1.attn_output.weight": "Q5_1", "blk.1.ffn_gate.weight": "Q4_K", "blk.1.ffn_up.weight": "Q4_0",
    "blk.1.ffn_down.weight": "Q4_0",
}


def unpermute(rows, heads):
    """The inverse of what the converter does to q and k of Llama."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def quantize_file(gguf, library, source, out):
    """Copy a float32 GGUF with the matrices quantized by ggml; returns the dequantized tensors by GGUF name."""
    quantize = ctypes.CDLL(str(library)).ggml_quantize_chunk
    quantize.restype = ctypes.c_size_t
    quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    values = {}
    for tensor in reader.tensors:
        data = np.ascontiguousarray(tensor.data, dtype=np.float32)
        if tensor.name not in MIXED_TYPES:
            writer.add_tensor(tensor.name, data)
            values[tensor.name] = data
            continue
        kind = gguf.GGMLQuantizationType[MIXED_TYPES[tensor.name]]
        blocks = np.zeros(gguf.quant_shape_to_byte_shape(data.shape, kind), dtype=np.uint8)
        quantize(int(kind), data.ctypes.data, blocks.ctypes.data, 0, data.shape[0], data.shape[1], None)
        writer.add_tensor(tensor.name, blocks, raw_dtype=kind)
        values[tensor.name] = gguf.dequantize(blocks, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


def write_mixed(args, converter, llama_cpp):
    gguf = converter.gguf
    file = args.out / "llama-quantized.gguf"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "llama-quantized"
        folder.mkdir()
        families.write_checkpoint("llama-quantized", "F32", MIXED, folder)
        full = pathlib.Path(scratch) / "full.gguf"
        converter.convert(folder, full, "f32", "spm")
        values = quantize_file(gguf, args.libraries / "libggml-base.so", full, file)
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, MIXED["num_hidden_layers"])
        tensors = {}
        for name in load_file(folder / "model.safetensors"):
            value = values[names.get_name(name, (".weight",))]
            heads = {"q_proj": MIXED["num_attention_heads"], "k_proj": MIXED["num_key_value_heads"]}
            for part, count in heads.items():
                value = unpermute(value, count) if part in name else value
            tensors[name] = torch.from_numpy(np.array(value))
        save_torch(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        families.write_golden("llama-quantized", "GGUF", MIXED, "every quantized block type in one model", folder)
        for part in ("golden.safetensors", "golden.json"):
            shutil.copy(folder / part, args.out / f"llama-quantized.{part}")
    golden = load_file(args.out / "llama-quantized.golden.safetensors")
    # llama.cpp quantizes the activations to 8 bits, so this is a matter of per cents.
    found = distances(llama_cpp, file, golden)
    print(f"{'llama-quantized':20} {file.stat().st_size:7d} bytes  llama.cpp - transformers {found}"
          f"  |logit| {np.abs(golden['logits_0']).max():.2f}")
    return {"file": file.name, "golden": "llama-quantized.golden.safetensors", "matrices": MIXED_TYPES,
            "note": "every quantized block type; logits are of the dequantized weights; llama.cpp itself rounds the "
            "activations to 8 bits, hence its distance", "llama_cpp_max_abs_difference": found}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    for name in ("families", "llama-cpp", "bindings", "libraries"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    converter = Converter(args.llama_cpp.resolve())
    llama_cpp = LlamaCpp(args.bindings.resolve(), args.libraries.resolve())
    entries = convert_families(args, converter, llama_cpp)
    entries.append(write_mixed(args, converter, llama_cpp))
    (args.out / "manifest.json").write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
