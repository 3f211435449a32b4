#!/usr/bin/env python3
"""Write tiny random checkpoints of every LLM family, with logits computed by transformers.

    python tools/make_family_goldens.py tests/goldens/families [NAME ...]

Each folder holds a checkpoint as it is found in the wild (config.json in the spelling of published checkpoints,
safetensors, one of them sharded) and

    golden.safetensors   ids_0, ids_1 (int32 [T]), logits_0, logits_1 (float32 [T, vocab], the model in float32),
                         logits64_0, logits64_1 (float64 [T, vocab], the same model wholly in float64)
    golden.json          versions, max |float32 - float64| per sequence, 8 greedy tokens after ids_1

The weights are random and loud on purpose: no bias is zero, no norm is flat, attention is peaked, windows are shorter
than the sequences and soft-caps bite, so that leaving out or misreading any of them changes the logits by far more
than rounding does.
"""

import argparse
import json
import pathlib
import zlib

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModelForCausalLM

LENGTHS = (37, 20)
GREEDY_TOKENS = 8
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}

# ---------------------------------------------------------------------------------------------------------------------
# What is written: one entry per folder.


def llama(**changes):
    config = dict(
        model_type="llama", architectures=["LlamaForCausalLM"], vocab_size=101, hidden_size=32, intermediate_size=56,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, hidden_act="silu",
        max_position_embeddings=128, rms_norm_eps=1e-5, rope_theta=10000.0, rope_scaling=None, attention_bias=False,
        mlp_bias=False, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)
    return config | changes


def mistral(**changes):
    return llama(
        model_type="mistral", architectures=["MistralForCausalLM"], num_key_value_heads=2, num_hidden_layers=3,
        sliding_window=8) | changes


def qwen2(**changes):
    return llama(
        model_type="qwen2", architectures=["Qwen2ForCausalLM"], num_key_value_heads=2, rms_norm_eps=1e-6,
        rope_theta=1000000.0, sliding_window=8, use_sliding_window=False, max_window_layers=1,
        tie_word_embeddings=True) | changes


def qwen3(**changes):
    return llama(
        model_type="qwen3", architectures=["Qwen3ForCausalLM"], num_key_value_heads=2, head_dim=12, rms_norm_eps=1e-6,
        rope_theta=1000000.0, sliding_window=None, use_sliding_window=False, max_window_layers=2,
        tie_word_embeddings=True) | changes


def phi3(**changes):
    return llama(
        model_type="phi3", architectures=["Phi3ForCausalLM"], num_key_value_heads=2,
        original_max_position_embeddings=128, sliding_window=10, pad_token_id=2) | changes


def gemma2(**changes):
    config = dict(
        model_type="gemma2", architectures=["Gemma2ForCausalLM"], vocab_size=83, hidden_size=40, intermediate_size=56,
        num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        hidden_act="gelu_pytorch_tanh", hidden_activation="gelu_pytorch_tanh", max_position_embeddings=128,
        rms_norm_eps=1e-6, rope_theta=10000.0, attention_bias=False, query_pre_attn_scalar=20, sliding_window=8,
        attn_logit_softcapping=4.0, final_logit_softcapping=1.5, tie_word_embeddings=True, bos_token_id=2,
        eos_token_id=1, pad_token_id=0)
    return config | changes


def gemma3(**changes):
    config = dict(
        model_type="gemma3_text", architectures=["Gemma3ForCausalLM"], vocab_size=71, hidden_size=40,
        intermediate_size=48, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=1, head_dim=12,
        hidden_activation="gelu_pytorch_tanh", max_position_embeddings=128, rms_norm_eps=1e-6, rope_theta=1000000.0,
        rope_local_base_freq=10000.0, rope_scaling=None, attention_bias=False, query_pre_attn_scalar=20,
        sliding_window=8, sliding_window_pattern=6, attn_logit_softcapping=None, final_logit_softcapping=None,
        bos_token_id=2, eos_token_id=1, pad_token_id=0)
    return config | changes


def gpt2(**changes):
    config = dict(
        model_type="gpt2", architectures=["GPT2LMHeadModel"], vocab_size=89, n_embd=32, n_layer=2, n_head=4,
        n_positions=37, n_ctx=37, activation_function="gelu_new", layer_norm_epsilon=1e-5, bos_token_id=0,
        eos_token_id=0)
    return config | changes


def opt(**changes):
    config = dict(
        model_type="opt", architectures=["OPTForCausalLM"], vocab_size=101, hidden_size=32, ffn_dim=80,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, do_layer_norm_before=True,
        word_embed_proj_dim=32, activation_function="relu", bos_token_id=2, eos_token_id=2, pad_token_id=1)
    return config | changes


def gpt_neox(**changes):
    config = dict(
        model_type="gpt_neox", architectures=["GPTNeoXForCausalLM"], vocab_size=83, hidden_size=64,
        intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, hidden_act="gelu",
        max_position_embeddings=37, rotary_pct=0.25, rotary_emb_base=10000, layer_norm_eps=1e-5,
        use_parallel_residual=True, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
    return config | changes


LLAMA3_SCALING = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
# 16 dimensions per head, 12 of them rotated: 6 factors.
LONGROPE_SCALING = dict(
    type="longrope", short_factor=[1.0, 1.1, 1.25, 1.4, 1.6, 1.9], long_factor=[1.3, 1.8, 2.7, 4.1, 6.3, 9.7])

# name: (stored dtype, config, what it is there for)
CASES = {
    "gpt2": ("F32", gpt2(), "GPT-2 as published: no 'transformer.' prefix, mask buffers among the tensors"),
    "gpt2-prefixed": ("F16", gpt2(), "GPT-2 as transformers saves it: 'transformer.' prefix"),
    "opt": ("F16", opt(), "OPT, layer norm before each block, positions offset by 2"),
    "opt-post-norm": (
        "F32", opt(do_layer_norm_before=False, word_embed_proj_dim=16),
        "OPT-350m: layer norm after each block, no final norm, embeddings projected in and out"),
    "gpt-neox": ("F16", gpt_neox(), "Pythia: parallel residual, a quarter of each head rotated, published buffers"),
    "gpt-neox-sequential": (
        "F32", gpt_neox(use_parallel_residual=False, hidden_size=32, intermediate_size=80, rotary_pct=0.5),
        "GPT-NeoX with the residuals one after another, half of each head rotated"),
    "llama-mha": ("F32", llama(), "Llama, as many key as query heads, untied, with a published inv_freq buffer"),
    "llama-gqa": (
        "BF16", llama(num_key_value_heads=2, num_hidden_layers=3),
        "Llama, grouped queries, untied, bfloat16, three shards with an index"),
    "llama-rope-llama3": (
        "BF16", llama(num_key_value_heads=2, hidden_size=64, rope_theta=500000.0, rope_scaling=LLAMA3_SCALING,
                      tie_word_embeddings=True), "Llama 3.2: rope_scaling llama3, tied embeddings"),
    "llama-rope-linear": (
        "F32", llama(rope_scaling={"type": "linear", "factor": 4.0}, tie_word_embeddings=True),
        "Llama with linear rope scaling (the old key 'type'), tied embeddings"),
    "llama-bias": (
        "F16", llama(attention_bias=True, num_key_value_heads=1), "Llama with biases on q, k, v and o, one key head"),
    "llama-v5-config": (
        "F16", llama(head_dim=12, num_key_value_heads=2,
                     rope_parameters={"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0}),
        "Llama, config.json as transformers 5 writes it (rope_parameters, dtype), head_dim not hidden / heads"),
    "mistral": ("F16", mistral(), "Mistral, sliding window of 8 in every layer"),
    "qwen2": ("BF16", qwen2(), "Qwen2: biases on q, k, v; the window is named in the config but switched off"),
    "qwen2-sliding": (
        "F16", qwen2(use_sliding_window=True, num_hidden_layers=3, tie_word_embeddings=False),
        "Qwen2 with a window of 8 from layer max_window_layers = 1 on"),
    "qwen3": ("BF16", qwen3(), "Qwen3: norms on q and k, head_dim not hidden / heads"),
    "gemma2": ("BF16", gemma2(), "Gemma 2: soft-caps, every other layer with a window of 8, query_pre_attn_scalar"),
    "gemma3": (
        "BF16", gemma3(query_pre_attn_scalar=12),
        "Gemma 3 270M: five local layers and a global one, two rope bases, query_pre_attn_scalar = head_dim"),
    "gemma3-layer-types": (
        "F16", gemma3(num_hidden_layers=4, num_key_value_heads=2, rope_scaling={"rope_type": "linear", "factor": 8.0},
                      layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"]),
        "Gemma 3 with explicit layer_types and linear rope scaling on the global layers"),
    "gemma3-v5-config": (
        "F16", gemma3(num_hidden_layers=3, layer_types=["sliding_attention", "sliding_attention", "full_attention"],
                      rope_parameters={"full_attention": {"rope_type": "linear", "rope_theta": 500000.0, "factor": 4.0},
                                       "sliding_attention": {"rope_type": "default", "rope_theta": 8000.0}}),
        "Gemma 3, config.json as transformers 5 writes it (rope_parameters per kind of layer)"),
    "phi3": ("F16", phi3(), "Phi-3: fused qkv and gate_up, window of 10"),
    "phi3-longrope": (
        "BF16", phi3(hidden_size=64, intermediate_size=72, partial_rotary_factor=0.75, rope_scaling=LONGROPE_SCALING,
                     sliding_window=None, original_max_position_embeddings=32, tie_word_embeddings=True),
        "Phi-4-mini: longrope (sequence 0 is beyond 32 positions: long factors; sequence 1: short), partial rotary"),
}


# ---------------------------------------------------------------------------------------------------------------------
# Weights.


def random_weight(name, shape, config, rng):
    """A float32 array whose scale suits the role that the parameter's name tells."""
    noise = rng.standard_normal(shape).astype(np.float32)
    is_norm = "norm" in name or ".ln_" in name
    if name.endswith("bias"):
        return 0.2 * noise
    if is_norm:
        # Gemma multiplies by 1 + weight.
        return (0.0 if config["model_type"].startswith("gemma") else 1.0) + 0.3 * noise
    if any(key in name for key in ("embed", "wte", "wpe")):
        # A tied embedding that dominates the residual would repeat the last token for ever.
        return (0.06 if config["model_type"].startswith("gemma") else 0.25) * noise
    fan_in = shape[0] if config["model_type"] == "gpt2" else shape[1]
    peaked = any(key in name for key in ("q_proj", "k_proj", "qkv_proj", "c_attn", "query_key_value"))
    return (1.6 if peaked else 1.0) / np.sqrt(fan_in) * noise


def published_names(case, tensors, config):
    """The tensors under the names, and beside the buffers, that published checkpoints of that family have."""
    causal = torch.tril(torch.ones(1, 1, 37, 37))
    if case == "gpt2":
        tensors = {name.removeprefix("transformer."): value for name, value in tensors.items()}
        tensors |= {f"h.{i}.attn.bias": causal.clone() for i in range(config["n_layer"])}
    if case == "gpt-neox":
        for i in range(config["num_hidden_layers"]):
            prefix = f"gpt_neox.layers.{i}.attention"
            tensors[f"{prefix}.bias"] = causal.bool()
            tensors[f"{prefix}.masked_bias"] = torch.tensor(-1e9, dtype=torch.float32)
            tensors[f"{prefix}.rotary_emb.inv_freq"] = torch.tensor([1.0, 0.01])
    if case == "llama-mha":
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.tensor([1.0, 0.1, 0.01, 0.001])
    return tensors


def published_config(case, dtype, config):
    if case.endswith("v5-config"):
        gone = ("rope_theta", "rope_scaling", "rope_local_base_freq", "sliding_window_pattern")
        kept = {key: value for key, value in config.items() if key not in gone}
        return kept | {"dtype": TORCH_NAMES[dtype], "transformers_version": "5.0.0"}
    return config | {"torch_dtype": TORCH_NAMES[dtype], "transformers_version": "4.50.0"}


def save_sharded(tensors, folder, shards):
    """Shards as transformers names them; consecutive tensors, so that layers lie across the borders."""
    names = sorted(tensors)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[len(names) * shard // shards : len(names) * (shard + 1) // shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map |= {name: file for name in part}
    total = sum(value.numel() * value.element_size() for value in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def write_checkpoint(case, dtype, config, folder):
    published = published_config(case, dtype, config)
    (folder / "config.json").write_text(json.dumps(published, indent=2) + "\n")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    # named_parameters names a tied weight once, as checkpoints do.
    tensors = {
        name: torch.from_numpy(random_weight(name, tuple(value.shape), config, rng)).to(DTYPES[dtype])
        for name, value in sorted(model.named_parameters())
    }
    tensors = published_names(case, tensors, config)
    if case == "llama-gqa":
        save_sharded(tensors, folder, 3)
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# ---------------------------------------------------------------------------------------------------------------------
# Logits.


class ForceFloat64(TorchFunctionMode):
    """Turns every explicit request for float32 inside the models (norms, softmax, rope) into one for float64."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(torch.float64 if value is torch.float32 else value for value in args)
        kwargs = {key: torch.float64 if value is torch.float32 else value for key, value in kwargs.items()}
        return func(*args, **kwargs)


class RefuseFloat32(TorchDispatchMode):
    """Proves that nothing on the way to the logits was computed in less than float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dtype != torch.float64:
                raise AssertionError(f"{func} gave {value.dtype}")
        return result


def load(folder, dtype):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    if info["missing_keys"] or info["mismatched_keys"]:
        raise AssertionError(f"{folder}: {info}")
    return model.eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.from_numpy(ids.astype(np.int64))[None], use_cache=False).logits[0]


def greedy(model, ids):
    """The tokens, and the least gap between the best and the second logit on the way."""
    tokens, gap = [], float("inf")
    for _ in range(GREEDY_TOKENS):
        best = logits_of(model, np.append(ids, tokens))[-1].topk(2)
        tokens.append(int(best.indices[0]))
        gap = min(gap, float(best.values[0] - best.values[1]))
    return tokens, gap


def greedy_prompt(model, vocab_size, rng):
    """A sequence after which no greedy choice hangs on a near tie, its greedy tokens and their least gap."""
    while True:
        ids = rng.integers(0, vocab_size, LENGTHS[1], dtype=np.int32)
        tokens, gap = greedy(model, ids)
        if gap >= 0.02 and len(set(tokens)) >= 3:
            return ids, tokens, gap


def write_golden(case, dtype, config, purpose, folder):
    rng = np.random.default_rng(zlib.crc32(f"{case} ids".encode()))
    ids_0 = rng.integers(0, config["vocab_size"], LENGTHS[0], dtype=np.int32)

    torch.set_default_dtype(torch.float64)
    with ForceFloat64():
        model = load(folder, torch.float64)
        with RefuseFloat32():
            ids_1, tokens, gap = greedy_prompt(model, config["vocab_size"], rng)
            ids = [ids_0, ids_1]
            logits64 = [logits_of(model, x) for x in ids]
    torch.set_default_dtype(torch.float32)

    model = load(folder, torch.float32)
    logits = [logits_of(model, x) for x in ids]
    if greedy(model, ids_1)[0] != tokens:
        raise AssertionError(f"{case}: float32 and float64 choose different tokens")
    differences = [float((a.double() - b).abs().max()) for a, b in zip(logits, logits64)]

    golden = {f"ids_{i}": torch.from_numpy(x) for i, x in enumerate(ids)}
    golden |= {f"logits_{i}": x.float().contiguous() for i, x in enumerate(logits)}
    golden |= {f"logits64_{i}": x.contiguous() for i, x in enumerate(logits64)}
    save_file(golden, folder / "golden.safetensors")
    summary = {
        "case": case,
        "purpose": purpose,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "model_type": config["model_type"],
        "stored_dtype": dtype,
        "vocab_size": config["vocab_size"],
        "lengths": list(LENGTHS),
        "max_abs_float32_minus_float64": differences,
        "max_abs_logit": [float(x.abs().max()) for x in logits64],
        "greedy_after_ids_1": tokens,
        "greedy_least_gap": gap,
    }
    (folder / "golden.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="only these folders")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for case in args.names or CASES:
        dtype, config, purpose = CASES[case]
        folder = args.out / case
        folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(case, dtype, config, folder)
        summary = write_golden(case, dtype, config, purpose, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{case:22} {size:7d} bytes  |f32-f64| {max(summary['max_abs_float32_minus_float64']):.1e}"
              f"  |logit| {max(summary['max_abs_logit']):6.2f}  gap {summary['greedy_least_gap']:.3f}"
              f"  greedy {summary['greedy_after_ids_1']}")


if __name__ == "__main__":
    main()
