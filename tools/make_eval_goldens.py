#!/usr/bin/env python3
"""Makes tests/goldens/eval by calling lm-evaluation-harness's own functions.

The harness's task template splits passages, its HFLM tokenizes, truncates and scores them, and its metrics
aggregate; only the tokenizer and the logits are toys, small enough to be written again in a few lines of C++
(src/eval/lambada_golden_test.cc). Run: python tools/make_eval_goldens.py [OUT]
"""
import json
import math
import os
import pathlib
import random
import sys
from fractions import Fraction

os.environ["DISABLE_MULTIPROC"] = "1"

import lm_eval
import scipy.stats
import torch
import yaml
from lm_eval import utils
from lm_eval.api import metrics
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

BOS = 7
VOCABULARY = 8
MAX_LENGTH = 40
TOP_K = [1, 2, 5]
SEED = 20240607

# What the split must not stumble over, before the random passages.
HAND_WRITTEN = [
    'He said to "Nadia',
    "all the power of\n\nPower",
    "two  spaces",
    "three   spaces",
    "a no-break space stays\u00a0 inside",
    "an ideographic space\u3000 too",
    "tab\t before",
    "line end\n\n \n\nrecorder",
    "airport...”\n“Sarah know-\"\n\n\"Ridley",
    " leading",
    " one",
    "ends in a newline word\n",
    "é ü",
]


class ToyLM(HFLM):
    """Tokens are the hashes of pieces of two bytes; logits are a hash of the token, its position and the candidate."""

    def __init__(self, adds_bos):
        self.adds_bos = adds_bos
        self.backend = "causal"
        self.enable_thinking = False
        self.logits_cache = False
        self.softmax_dtype = torch.float64
        self.cache_hook = type("NoCache", (), {"add_partial": lambda *_: None})()
        self.batch_size_per_gpu = 1
        self._device = torch.device("cpu")
        self._rank = 1
        self._max_length = MAX_LENGTH
        self.calls = {}

    @property
    def prefix_token_id(self):
        return BOS

    def tok_encode(self, string, add_special_tokens=None, **_):
        data = string.encode("utf-8")
        tokens = [BOS] if self.adds_bos and add_special_tokens is not False else []
        for i in range(0, len(data), 2):
            piece = data[i : i + 2] + b"\0"
            tokens.append((piece[0] * 5 + piece[1] * 31) % (VOCABULARY - 1))
        return tokens

    def _model_call(self, inputs, **_):
        self.inputs = inputs[0].tolist()
        rows = [
            [((t * 31 + p * 7 + v * 13 + t * v * v * 5) % 24) / 16 for v in range(VOCABULARY)]
            for p, t in enumerate(self.inputs)
        ]
        self.logits = torch.tensor([rows], dtype=torch.float32)
        return self.logits

    def score(self, context, target):
        """One example alone, so that what the harness fed can be kept."""
        request = Instance(request_type="loglikelihood", doc={}, arguments=(context, target), idx=0)
        captured = []
        original = self._loglikelihood_tokens

        def capture(requests, **kwargs):
            captured.extend(requests)
            return original(requests, **kwargs)

        self._loglikelihood_tokens = capture
        try:
            ((log_likelihood, greedy),) = self.loglikelihood([request], disable_tqdm=True)
        finally:
            del self._loglikelihood_tokens
        _, context_tokens, targets = captured[0]
        rows = self.logits[0][-len(targets) :].tolist()
        ranks = [
            sorted(range(VOCABULARY), key=lambda v: (-row[v], v)).index(t) for row, t in zip(rows, targets)
        ]
        assert greedy == all(rank == 0 for rank in ranks)  # torch's arg max takes the smallest id of a tie
        margins = [sorted(row)[-1] - sorted(row)[-2] for row in rows]
        return {
            "input": self.inputs,
            "targets": targets,
            "truncated": len(context_tokens) + len(targets) > MAX_LENGTH + 1,
            "log_likelihood": log_likelihood,
            "greedy": greedy,
            "ranks": ranks,
            "near_tie": min(margins) < 1e-4,
        }


def random_passage(rng):
    words = ["".join(rng.choice("abcdefgh") for _ in range(rng.randint(1, 6))) for _ in range(rng.randint(2, 30))]
    return " ".join(words)


def record(examples):
    correct = [int(e["greedy"]) for e in examples]
    sums = [e["log_likelihood"] for e in examples]
    top_k = {k: [int(all(r < k for r in e["ranks"])) for e in examples] for k in TOP_K}
    first = {k: [int(e["ranks"][0] < k) for e in examples] for k in TOP_K}
    return {
        "accuracy": metrics.mean(correct),
        "accuracy_stderr": metrics.mean_stderr(correct),
        "perplexity": metrics.perplexity(sums),
        "perplexity_bootstrap_stderr": metrics.bootstrap_stderr(metrics.perplexity, sums, iters=10000),
        "top_k": {str(k): metrics.mean(top_k[k]) for k in TOP_K},
        "top_k_stderr": {str(k): metrics.mean_stderr(top_k[k]) for k in TOP_K},
        "first_token_top_k": {str(k): metrics.mean(first[k]) for k in TOP_K},
        "tokens": sum(len(e["targets"]) for e in examples),
        "near_ties": sum(e["near_tie"] for e in examples),
        "truncated": sum(e["truncated"] for e in examples),
    }


def lambada():
    folder = pathlib.Path(lm_eval.__file__).parent / "tasks" / "lambada"
    task = yaml.safe_load((folder / "lambada_openai.yaml").read_text())
    rng = random.Random(SEED)
    passages = HAND_WRITTEN + [random_passage(rng) for _ in range(300)]
    split = [
        {
            "context": utils.apply_template(task["doc_to_text"], {"text": p}),
            "target": utils.apply_template(task["doc_to_target"], {"text": p}),
        }
        for p in passages
    ]
    models = []
    for adds_bos in (False, True):
        model = ToyLM(adds_bos)
        examples = [model.score(e["context"], e["target"]) for e in split]
        models.append({"adds_bos": adds_bos, "record": record(examples), "examples": examples})
    return passages, {"max_length": MAX_LENGTH, "bos": BOS, "top_k": TOP_K, "split": split, "models": models}


def mcnemar(b, c):
    n = b + c
    tail = sum(math.comb(n, i) for i in range(min(b, c) + 1))
    exact = float(min(Fraction(1), Fraction(2 * tail, 2**n)))
    assert math.isclose(exact, scipy.stats.binomtest(b, n).pvalue if n else 1.0, rel_tol=1e-6), (b, c)
    return {"only_first": b, "only_second": c, "p_value": exact}


def perplexity():
    rng = random.Random(SEED + 1)
    log_probs = [-rng.expovariate(0.4) for _ in range(50)]
    num_bytes = 211
    return {
        "log_probs": log_probs,
        "text_bytes": num_bytes,
        "perplexity": metrics.perplexity(log_probs),
        "nll_stderr": metrics.mean_stderr(log_probs),
        "bits_per_byte": metrics.bits_per_byte([(sum(log_probs), num_bytes)]),
    }


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/goldens/eval")
    out.mkdir(parents=True, exist_ok=True)
    passages, golden = lambada()
    lines = "".join(json.dumps({"text": p}, ensure_ascii=False) + "\n" for p in passages)
    (out / "passages.jsonl").write_text(lines, encoding="utf-8")
    (out / "lambada.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    pairs = [(0, 0), (1, 0), (0, 5), (1, 9), (5, 5), (6, 5), (10, 30), (103, 141), (812, 700), (30, 400), (2600, 2500)]
    (out / "mcnemar.json").write_text(json.dumps([mcnemar(b, c) for b, c in pairs], indent=1) + "\n")
    (out / "perplexity.json").write_text(json.dumps(perplexity()) + "\n")
    spaces = [c for c in range(0x110000) if chr(c).isspace()]
    (out / "python_spaces.json").write_text(json.dumps(spaces) + "\n")


if __name__ == "__main__":
    main()
