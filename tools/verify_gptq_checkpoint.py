#!/usr/bin/env python3
"""Load a GPTQ checkpoint with GPTQModel and with transformers, and compare their logits with ours.

    python tools/verify_gptq_checkpoint.py MODEL_DIR (--text TEXT | --ids 1,2,3) [--json OUT] [--compare FILE]
        [--tolerance X] [--loaders gptqmodel,transformers] [--dtype float16|bfloat16|float32]

Needs gptqmodel 7.3.6, optimum, torch 2.10, transformers 5.23. Both loaders run on the CPU with the kernel that unpacks to
float16 and multiplies (GPTQModel's Torch kernel). For every loader the five most likely tokens after the last
position are printed. OUT receives {"ids": [...], "<loader>": {"logits": [[...], ...], "top5": [[id, logit], ...]}}.

FILE is JSON with "logits": one row per position of the ids, or only the last one. Each loader is held to it: printed are
the greatest absolute difference and how often the arg max agrees. Exit status 1 where, at any position, the arg max
differs although ours leads by more than the tolerance, or a difference exceeds the tolerance. Its default is 3 % of the
greatest logit, for the loaders compute in float16 (2^-11 per operation) and we do not.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

# On two processors GPTQModel otherwise starts one worker and then asks for two.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import numpy as np
import torch
import transformers


def load_gptqmodel(folder, dtype):
    from gptqmodel import BACKEND, GPTQModel

    return GPTQModel.load(folder, device="cpu", backend=BACKEND.GPTQ_TORCH, dtype=dtype).model


def load_transformers(folder, dtype):
    config = transformers.GPTQConfig(bits=stored_bits(folder), backend="gptq_torch")
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, device_map="cpu", dtype=dtype, quantization_config=config)


LOADERS = {"gptqmodel": load_gptqmodel, "transformers": load_transformers}


def stored_bits(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        return json.load(file)["quantization_config"]["bits"]


def run(loader, folder, dtype, ids):
    # The loaders' kernel takes 16-bit types only; widened after loading it computes with the same weights in float32.
    model = LOADERS[loader](folder, torch.float16 if dtype == torch.float32 else dtype).eval()
    if dtype == torch.float32:
        model = torch.nn.Module.float(model)  # transformers forbids model.float() for any quantized model
    kernels = sorted({type(module).__name__ for module in model.modules() if hasattr(module, "qweight")})
    if not kernels:
        raise SystemExit(f"{loader}: no quantized layer was loaded from {folder}")
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].float().numpy()
    return logits, kernels


def with_tokenizer(folder, scratch):
    """The folder, or links to its files beside a stand-in tokenizer: GPTQModel does not load a folder without one."""
    folder = pathlib.Path(folder).resolve()
    if any((folder / name).exists() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        return str(folder)
    from tokenizers import Tokenizer, models

    for file in folder.iterdir():
        (scratch / file.name).symlink_to(file)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"t0": 0}, unk_token="t0")), unk_token="t0", bos_token="t0",
        eos_token="t0", pad_token="t0").save_pretrained(scratch)
    return str(scratch)


def top5(logits):
    best = np.argsort(-logits[-1], kind="stable")[:5]
    return [[int(i), round(float(logits[-1, i]), 5)] for i in best]


def compare(loader, theirs, ours, tolerance):
    """Prints one line; true if they agree."""
    theirs = theirs[-len(ours):]
    if theirs.shape != ours.shape:
        print(f"{loader}: logits are {list(ours.shape)}, expected {list(theirs.shape)}")
        return False
    if not np.isfinite(ours).all():
        print(f"{loader}: our logits are not all finite")
        return False
    limit = tolerance if tolerance is not None else 0.03 * float(np.abs(theirs).max())
    difference = float(np.abs(theirs - ours).max())
    chosen, expected = ours.argmax(axis=1), theirs.argmax(axis=1)
    rows = np.arange(len(ours))
    # An arg max may only flip between logits that are closer than the tolerance.
    lead = ours[rows, chosen] - ours[rows, expected]
    good = difference <= limit and bool((lead <= limit).all())
    print(f"{loader}: max |difference| {difference:.6f} (limit {limit:.6f}), arg max agrees at "
          f"{int((chosen == expected).sum())} of {len(ours)} positions: {'agrees' if good else 'DISAGREES'}")
    return good


def verify(args, folder, ids):
    result, agreed = {"ids": ids}, True
    for loader in args.loaders.split(","):
        logits, kernels = run(loader, folder, getattr(torch, args.dtype), ids)
        result[loader] = {"logits": logits.tolist(), "top5": top5(logits)}
        print(f"{loader} ({', '.join(kernels)}): {top5(logits)}")
        if args.compare:
            with open(args.compare, encoding="utf-8") as file:
                ours = np.atleast_2d(np.array(json.load(file)["logits"], dtype=np.float32))
            agreed = compare(loader, logits, ours, args.tolerance) and agreed
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file)
    return agreed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="encoded with the folder's tokenizer")
    source.add_argument("--ids", help="token ids, separated by commas")
    parser.add_argument("--json", help="write the logits here")
    parser.add_argument("--compare", help="JSON file with our logits")
    parser.add_argument("--tolerance", type=float, help="absolute, on logits")
    parser.add_argument("--loaders", default="gptqmodel,transformers")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    args = parser.parse_args()
    if args.ids:
        ids = [int(x) for x in args.ids.split(",")]
    else:
        ids = transformers.AutoTokenizer.from_pretrained(args.model)(args.text)["input_ids"]

    with tempfile.TemporaryDirectory() as scratch:
        agreed = verify(args, with_tokenizer(args.model, pathlib.Path(scratch)), ids)
    sys.exit(0 if agreed else 1)


if __name__ == "__main__":
    main()
