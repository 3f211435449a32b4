#!/usr/bin/env python3
"""Makes tests/goldens/eval/divergence.json: divergences between the logits of two models, computed by numpy.

The logits are those of transformers for two of the tiny checkpoints (float32, tests/goldens/families): a few positions of both
texts of each; one model plays the reference. Nothing here is shared with src/eval: log-softmax and sums are numpy's, in
float64, and errors of means are those of texts as draws. Needs numpy. Run: python tools/make_divergence_goldens.py [OUT]
"""
import json
import pathlib
import struct
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens"
REFERENCE, MODEL = "llama-gqa", "llama-mha"
POSITIONS = {"0": range(3, 9), "1": range(10, 14)}


def tensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    types = {"F32": np.float32, "F64": np.float64, "I32": np.int32}
    result = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            bytes_ = data[8 + length + begin : 8 + length + end]
            result[name] = np.frombuffer(bytes_, types[entry["dtype"]]).reshape(entry["shape"])
    return result


def log_softmax(rows):
    rows = rows.astype(np.float64)
    return rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)


def mean_and_error(per_text):
    everything = np.concatenate(per_text)
    mean = everything.mean()
    deviations = np.array([(text - mean).sum() for text in per_text])
    texts = len(per_text)
    return float(mean), float(np.sqrt(texts / (texts - 1) * (deviations**2).sum()) / everything.size)


reference = tensors(ROOT / "families" / REFERENCE / "golden.safetensors")
model = tensors(ROOT / "families" / MODEL / "golden.safetensors")
texts, kl, same, ratio, nll_p, nll_q = [], [], [], [], [], []
for index, positions in POSITIONS.items():
    rows = list(positions)
    p_logits, q_logits = reference["logits_" + index][rows], model["logits_" + index][rows]
    targets = reference["ids_" + index][[row + 1 for row in rows]]
    p, q = log_softmax(p_logits), log_softmax(q_logits)
    chosen = np.arange(len(rows))
    kl.append((np.exp(p) * (p - q)).sum(axis=1))
    same.append((p.argmax(axis=1) == q.argmax(axis=1)).astype(float))
    nll_p.append(-p[chosen, targets])
    nll_q.append(-q[chosen, targets])
    ratio.append(nll_q[-1] - nll_p[-1])
    texts.append({
        "reference": [[float(x) for x in row] for row in p_logits],
        "logits": [[float(x) for x in row] for row in q_logits],
        "targets": [int(t) for t in targets],
        "kl": [float(x) for x in kl[-1]],
    })

everything = np.concatenate(kl)
golden = {"numpy": np.__version__, "reference": REFERENCE, "model": MODEL, "texts": texts}
golden["kl_mean"], golden["kl_stderr"] = mean_and_error(kl)
golden["kl_median"] = float(np.quantile(everything, 0.5))
golden["kl_percentile_99"] = float(np.quantile(everything, 0.99))
golden["kl_max"] = float(everything.max())
golden["same_top"], golden["same_top_stderr"] = mean_and_error(same)
golden["reference_perplexity"] = float(np.exp(np.concatenate(nll_p).mean()))
golden["perplexity"] = float(np.exp(np.concatenate(nll_q).mean()))
golden["log_perplexity_ratio"], golden["log_perplexity_ratio_stderr"] = mean_and_error(ratio)
out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "eval" / "divergence.json"
out.write_text(json.dumps(golden) + "\n")
