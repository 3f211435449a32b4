#!/usr/bin/env python3
"""Time one test of a language model with transformers or GPTQModel on the CPU, as llama-bench defines it.

    PYTHON bench/peers/torch_llm_speed.py (transformers|gptqmodel) FOLDER --test tg128|pp512 [--threads N] [--dtype bfloat16]
        [--backend gptq_torch_int8]

PYTHON has torch 2.10, transformers and, for gptqmodel, gptqmodel 7.3.6. ppN: one forward pass over N random tokens for the logits of the
last. tgN: N forward passes over one token each, with the cache of those before, starting empty; every one takes the arg max of its
logits, and is given fixed random tokens all the same, so that every tool does the same work. Each test runs once before, in full, to
warm up. Prints one JSON object on the last line of stdout: tokens_per_second, layer (the class of its linear layers), versions.
"""

import argparse
import json
import os
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("loader", choices=("transformers", "gptqmodel"))
parser.add_argument("folder")
parser.add_argument("--test", required=True)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16", "float16"))
parser.add_argument("--backend", default="auto", help="of GPTQModel")
args = parser.parse_args()

# Before torch is imported. On two processors GPTQModel otherwise starts one worker and then asks for two.
os.environ["OMP_NUM_THREADS"] = str(args.threads)
os.environ["GPTQMODEL_CPU_WORKERS"] = str(max(2, args.threads))

import torch
import transformers


def load():
    dtype = getattr(torch, args.dtype)
    if args.loader == "transformers":
        return transformers.AutoModelForCausalLM.from_pretrained(args.folder, dtype=dtype).eval()
    import gptqmodel

    return gptqmodel.GPTQModel.load(args.folder, device="cpu", dtype=dtype, backend=gptqmodel.BACKEND(args.backend)).model.eval()


def process_prompt(model, ids):
    return model(input_ids=ids, use_cache=True, logits_to_keep=1).logits[0, -1].argmax()


def generate(model, ids):
    cache = transformers.DynamicCache()
    for i in range(ids.shape[1]):
        best = model(input_ids=ids[:, i : i + 1], past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1].argmax()
    return best


def main():
    torch.set_num_threads(args.threads)
    model = load()
    count = int(args.test[2:])
    ids = torch.randint(model.config.vocab_size, (1, count), generator=torch.Generator().manual_seed(1))
    body = process_prompt if args.test.startswith("pp") else generate
    with torch.inference_mode():
        body(model, ids)
        start = time.perf_counter()
        body(model, ids)
        seconds = time.perf_counter() - start
    layer = type(model.model.layers[0].mlp.down_proj).__name__
    print()
    print(json.dumps({"tokens_per_second": count / seconds, "layer": layer, "dtype": args.dtype, "torch": torch.__version__,
                      "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
