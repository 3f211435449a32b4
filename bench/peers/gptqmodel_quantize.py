#!/usr/bin/env python3
"""Time GPTQModel's quantization of a language model on the CPU, on given calibration ids.

    python bench/peers/gptqmodel_quantize.py MODEL_DIR CALIBRATION.json [--samples N] [--bits 4] [--group-size 64]
        [--asym] [--act-order] [--threads N] [--dtype float32] [--out DIR]

Needs gptqmodel 7.3.6 and torch 2.10. MODEL_DIR is a Hugging Face folder with its tokenizer, CALIBRATION.json holds
{"samples": [[id, ...], ...]}. Prints one JSON object on the last line of stdout: seconds spent in loading, in
quantize() and in save(), and the peak resident set of the process. GPTQModel compiles its packing extension once per
machine; a first run pays for that (half a minute to a minute) and is not to be reported: "packer_compiled" says so.
"""

import argparse
import json
import os
import pathlib
import resource
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("calibration", type=pathlib.Path)
parser.add_argument("--samples", type=int, help="only the first N (default: all)")
parser.add_argument("--bits", type=int, default=4)
parser.add_argument("--group-size", type=int, default=64)
parser.add_argument("--asym", action="store_true")
parser.add_argument("--act-order", action="store_true")
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
parser.add_argument("--out", type=pathlib.Path, help="keep the checkpoint here")
args = parser.parse_args()

# Before torch is imported. On two processors GPTQModel otherwise starts one worker and then asks for two.
os.environ["OMP_NUM_THREADS"] = str(args.threads)
os.environ["GPTQMODEL_CPU_WORKERS"] = str(max(2, args.threads))

import gptqmodel
import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig

EXTENSIONS = pathlib.Path.home() / ".cache/gptqmodel/torch_extensions"


def compiled_packers():
    return set(EXTENSIONS.glob("pack_block_cpu/*/*.so")) if EXTENSIONS.exists() else set()


def quantize(out):
    samples = json.loads(args.calibration.read_text())["samples"][: args.samples]
    config = QuantizeConfig(
        bits=args.bits, group_size=args.group_size, sym=not args.asym, desc_act=args.act_order, device="cpu")
    marks = [time.perf_counter()]
    model = GPTQModel.load(str(args.model), config, dtype=getattr(torch, args.dtype))
    marks.append(time.perf_counter())
    model.quantize(
        [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in samples], batch_size=1,
        backend=BACKEND.GPTQ_TORCH)
    marks.append(time.perf_counter())
    model.save(str(out))
    marks.append(time.perf_counter())
    return samples, [end - start for start, end in zip(marks, marks[1:])]


def main():
    torch.set_num_threads(args.threads)
    before = compiled_packers()
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or pathlib.Path(scratch) / "quantized"
        samples, (load, quantization, save) = quantize(out)
        size = sum(file.stat().st_size for file in out.glob("*.safetensors"))
    print()
    print(json.dumps({
        "tool": "gptqmodel " + gptqmodel.__version__.partition("+")[0], "torch": torch.__version__,
        "threads": args.threads, "bits": args.bits, "group_size": args.group_size, "sym": not args.asym,
        "desc_act": args.act_order, "dtype": args.dtype, "samples": len(samples),
        "tokens": sum(len(ids) for ids in samples), "load_seconds": round(load, 2),
        "quantize_seconds": round(quantization, 2), "save_seconds": round(save, 2),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "model_bytes": size,
        "packer_compiled": compiled_packers() != before}))


if __name__ == "__main__":
    main()
