#!/usr/bin/env python3
"""Let GPTQModel quantize a tiny Llama at many settings, and write the checkpoints with the logits they stand for.

    python tools/make_gptq_goldens.py tests/goldens/gptq [NAME ...]

Needs an environment with gptqmodel 7.3.6, torch 2.10, torchvision, transformers 5.23. Each folder holds what GPTQModel
saved (config.json, quantize_config.json, model.safetensors) and

    golden.safetensors   ids_0, ids_1, logits_0, logits_1, logits64_0, logits64_1   as in tests/goldens/families: the
                         model with every weight dequantized exactly, W = scale * (q - zero) in float32
                         weight.<name>        float32 [out, in] such weights of some layers
                         gptqmodel_logits_0, gptqmodel_logits_1  float16 [T, vocab]: GPTQModel's own forward (CPU, its
                         Torch kernel, which computes in float16)
    golden.json          as in tests/goldens/families, and how far GPTQModel's forward is from the exact one

The numpy unpacker below is independent of GPTQModel's; both must give the same weights after rounding to float16.
"""

import argparse
import json
import os
import pathlib
import shutil
import tempfile

# On two processors it otherwise starts one worker and then asks for two.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import gptqmodel
import numpy as np
import torch
import transformers
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from safetensors.numpy import load_file
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

import make_family_goldens as families

BASE = families.llama(vocab_size=53, hidden_size=64, intermediate_size=96, num_key_value_heads=2)
WITH_BIAS = BASE | {"attention_bias": True, "num_hidden_layers": 1}
ONE_LAYER = BASE | {"num_hidden_layers": 1}

# name: (config of the float model, settings of GPTQModel)
CASES = {
    "int4-g32-sym": (BASE, dict(bits=4, group_size=32)),
    "int4-g16-sym-act": (BASE, dict(bits=4, group_size=16, desc_act=True)),
    "int4-g32-asym": (BASE, dict(bits=4, group_size=32, sym=False)),
    "int4-g32-asym-act-v2": (BASE, dict(bits=4, group_size=32, sym=False, desc_act=True, format="gptq_v2")),
    "int4-g64-sym-plain": (BASE, dict(bits=4, group_size=64, act_group_aware=False)),
    "int4-g32-sym-bias": (WITH_BIAS, dict(bits=4, group_size=32)),
    "int4-g32-act-autogptq": (ONE_LAYER, dict(bits=4, group_size=32, desc_act=True)),
    "int4-dynamic": (ONE_LAYER, dict(bits=4, group_size=32, dynamic={
        r"-:.*\.o_proj$": {}, r"+:.*\.down_proj$": {"bits": 8}, r"+:.*\.gate_proj$": {"group_size": 64}})),
    "int8-g64-sym": (ONE_LAYER, dict(bits=8, group_size=64)),
    "int8-all-asym-v2": (ONE_LAYER, dict(
        bits=8, group_size=-1, sym=False, act_group_aware=False, format="gptq_v2")),
    "int8-g32-sym-act": (ONE_LAYER, dict(bits=8, group_size=32, desc_act=True)),
    "int3-g32-sym": (BASE, dict(bits=3, group_size=32)),
    "int3-g32-asym-act-v2": (BASE, dict(bits=3, group_size=32, sym=False, desc_act=True, format="gptq_v2")),
    "int3-all-sym": (BASE, dict(bits=3, group_size=-1, act_group_aware=False)),
    "int2-g32-sym": (BASE, dict(bits=2, group_size=32)),
    "int2-g16-asym-act-v2": (BASE, dict(bits=2, group_size=16, sym=False, desc_act=True, format="gptq_v2")),
    "int2-g64-sym-v2": (BASE, dict(bits=2, group_size=64, format="gptq_v2")),
}
KEPT_WEIGHTS = ("layers.0.self_attn.k_proj", "layers.0.mlp.down_proj")


# ---------------------------------------------------------------------------------------------------------------------
# Reading the format, written from its description and not from GPTQModel's code.


def unpack(words, bits, count):
    """uint32 [n, m] packed along the first axis, low bits first -> int [count, m]. Values may straddle words (3 bits)."""
    stream = (words[:, None, :] >> np.arange(32, dtype=np.uint32)[None, :, None]) & 1
    stream = stream.reshape(-1, words.shape[1])[: count * bits].reshape(count, bits, -1)
    return (stream.astype(np.int64) << np.arange(bits)[None, :, None]).sum(axis=1)


def dequantize(tensors, name, bits, v2):
    """Exact float32 weight [out, in] of one linear layer."""
    scales, g_idx = tensors[f"{name}.scales"].astype(np.float32), tensors[f"{name}.g_idx"]
    q = unpack(tensors[f"{name}.qweight"].view(np.uint32), bits, len(g_idx))
    words = np.ascontiguousarray(tensors[f"{name}.qzeros"].view(np.uint32).T)
    zeros = unpack(words, bits, scales.shape[1]).T
    if not v2:
        zeros = (zeros + 1) % 2**bits
    return np.ascontiguousarray((scales[g_idx] * (q - zeros[g_idx]).astype(np.float32)).T)


def bits_of(tensors, name):
    rows = tensors[f"{name}.qweight"].shape[0]
    return rows * 32 // len(tensors[f"{name}.g_idx"])


# ---------------------------------------------------------------------------------------------------------------------


def write_float_model(config, folder):
    families.write_checkpoint("llama-gptq", "F16", config, folder)
    vocabulary = {f"t{i}": i for i in range(config["vocab_size"])}  # GPTQModel will not load without a tokenizer
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="t0")), unk_token="t0", bos_token="t1",
        eos_token="t2", pad_token="t2").save_pretrained(folder)


def calibration(vocab_size):
    rng = np.random.default_rng(20)
    sequences = rng.integers(0, vocab_size, (16, 64)).tolist()
    return [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in sequences]


def quantize(config, settings, source, folder):
    settings = dict(desc_act=False) | settings
    model = GPTQModel.load(
        str(source), QuantizeConfig(**settings, device="cpu", offload_to_disk=False), dtype=torch.float16)
    model.quantize(calibration(config["vocab_size"]), batch_size=1, backend=BACKEND.GPTQ_TORCH)
    model.save(str(folder))


def describe_as_autogptq(folder):
    """Rewrite the configs to what AutoGPTQ wrote, as most published checkpoints have it: no format is named."""
    config = json.loads((folder / "config.json").read_text())
    settings = json.loads((folder / "quantize_config.json").read_text())
    kept = {key: settings[key] for key in ("bits", "group_size", "desc_act", "sym")}
    kept |= {"damp_percent": 0.1, "static_groups": False, "true_sequential": True, "model_name_or_path": None,
             "model_file_base_name": "model"}
    config |= {"quantization_config": kept | {"quant_method": "gptq"}, "torch_dtype": config.pop("dtype"),
               "rope_theta": config.pop("rope_parameters")["rope_theta"], "transformers_version": "4.36.0"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "quantize_config.json").write_text(json.dumps(kept, indent=2) + "\n")


def own_logits(folder, ids, exact):
    """GPTQModel's forward in float16, after its weights have been found equal to the exact ones rounded to float16."""
    model = GPTQModel.load(str(folder), device="cpu", backend=BACKEND.GPTQ_TORCH, dtype=torch.float16)
    for name, module in model.model.named_modules():
        if not hasattr(module, "qweight"):
            continue
        found = module.dequantize_weight().T.to(torch.float16).numpy()
        if not np.array_equal(found, exact[name].astype(np.float16)):
            worst = np.abs(found.astype(np.float32) - exact[name]).max()
            raise AssertionError(f"{folder.name}: {name}: GPTQModel's weights differ from the unpacker's by {worst}")
    with torch.no_grad():
        return [model.model(torch.from_numpy(x.astype(np.int64))[None], use_cache=False).logits[0].half() for x in ids]


def write_golden(case, config, settings, saved, folder):
    tensors = load_file(saved / "model.safetensors")
    names = [name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight")]
    v2 = settings.get("format") == "gptq_v2"
    exact = {name: dequantize(tensors, name, bits_of(tensors, name), v2) for name in names}
    plain = {f"{name}.weight": torch.from_numpy(value) for name, value in exact.items()}
    plain |= {
        name: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()
        if not name.rpartition(".")[2] in ("qweight", "qzeros", "scales", "g_idx")}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "config.json").write_text(json.dumps(config | {"torch_dtype": "float32"}))
        save_file(plain, scratch / "model.safetensors", metadata={"format": "pt"})
        summary = families.write_golden(f"llama-{case}", "GPTQ", config, f"GPTQModel: {settings}", scratch)
        golden = load_file(scratch / "golden.safetensors")
    own = own_logits(saved, [golden["ids_0"], golden["ids_1"]], exact)
    golden = {name: torch.from_numpy(value) for name, value in golden.items()}
    golden |= {f"gptqmodel_logits_{i}": value.contiguous() for i, value in enumerate(own)}
    golden |= {f"weight.{name}": plain[f"{name}.weight"] for name in names if name.endswith(KEPT_WEIGHTS)}
    summary["gptqmodel"] = gptqmodel.__version__.partition("+")[0]
    summary["gptqmodel_max_abs_difference"] = [
        float((value.double() - golden[f"logits64_{i}"]).abs().max()) for i, value in enumerate(own)]
    for part in ("config.json", "quantize_config.json", "model.safetensors"):
        shutil.copy(saved / part, folder / part)
    save_file(golden, folder / "golden.safetensors")
    (folder / "golden.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="only these folders")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for case in args.names or CASES:
        config, settings = CASES[case]
        folder = args.out / f"llama-{case}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            source, saved = pathlib.Path(scratch) / "float", pathlib.Path(scratch) / "quantized"
            source.mkdir()
            write_float_model(config, source)
            quantize(config, settings, source, saved)
            if case.endswith("-autogptq"):
                describe_as_autogptq(saved)
            summary = write_golden(case, config, settings, saved, folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"RESULT {case:22} {size:7d} bytes  |f32-f64| {max(summary['max_abs_float32_minus_float64']):.1e}"
              f"  |GPTQModel-f64| {max(summary['gptqmodel_max_abs_difference']):.4f}"
              f"  |logit| {max(summary['max_abs_logit']):.2f}", flush=True)


if __name__ == "__main__":
    main()
