#!/usr/bin/env python3
"""Seconds that LAMBADA takes with `assay eval lambada` and with transformers in float32, on the same cores, chunk by chunk in turn.

    PYTHON bench/compare_lambada_speed.py ASSAY MODEL HF_MODEL lambada_test.jsonl [--limit N] [--chunk 515] [--threads 2] [--batch 32]
        [--activations float|rounded] [--json FILE]

PYTHON has torch 2.10 and transformers 5 (build/peers/gptqmodel/bin/python, where bench/compare_llama_cpp.py --python-peers made it); MODEL
is what assay reads, HF_MODEL the same weights as a Hugging Face folder with its tokenizer. A chunk is every so manieth passage, so
that all chunks are alike. Both tokenize and score what lm-evaluation-harness scores. transformers gets batches of passages of like length,
padded at the end, where causal attention needs no mask, and its head computes the scored positions only, which is faster than the
harness. Seconds are from texts to scores, models loaded; for assay also those of the whole process with loading. Chunks during
which others had more than 4 % of the processors are left out of the sums, for both tools. The last lines tell whether both found the
same passages right.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("assay", type=pathlib.Path)
parser.add_argument("model")
parser.add_argument("hf_model")
parser.add_argument("data", type=pathlib.Path)
parser.add_argument("--limit", type=int, help="only the first so many passages")
parser.add_argument("--chunk", type=int, default=515)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--activations", choices=("float", "rounded"), default="float", help="of assay: inputs of layers as they are, or rounded to 8 bits")
parser.add_argument("--json", type=pathlib.Path)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)  # before torch is imported

import torch
import transformers

from peers import paired_speed


def split(text):
    """Context and target as the harness's task lambada_openai has them."""
    words = text.split(" ")
    return " ".join(words[:-1]), " " + words[-1]


class Transformers:
    def __init__(self, folder):
        torch.set_num_threads(args.threads)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def _tokens(self, texts):
        pairs = [split(text) for text in texts]
        contexts = self._tokenizer([context for context, _ in pairs])["input_ids"]
        wholes = self._tokenizer([context + target for context, target in pairs])["input_ids"]
        return [(context, whole[len(context):]) for context, whole in zip(contexts, wholes)]

    @torch.inference_mode()
    def correct(self, texts):
        """Whether each text's last word is what the model would have written; its log-probability besides."""
        examples = self._tokens(texts)
        order = sorted(range(len(examples)), key=lambda i: sum(map(len, examples[i])))
        result = [None] * len(examples)
        for start in range(0, len(order), args.batch):
            batch = order[start : start + args.batch]
            inputs = [(examples[i][0] + examples[i][1])[:-1] for i in batch]
            ids = torch.zeros(len(batch), max(map(len, inputs)), dtype=torch.long)
            for row, tokens in enumerate(inputs):
                ids[row, : len(tokens)] = torch.tensor(tokens)
            hidden = self._model.model(input_ids=ids, use_cache=False).last_hidden_state
            places = [(row, len(inputs[row]) - len(examples[i][1]) + k) for row, i in enumerate(batch) for k in range(len(examples[i][1]))]
            logits = self._model.lm_head(hidden[tuple(torch.tensor(places).T)])
            targets = torch.tensor([token for i in batch for token in examples[i][1]])
            log_probs = torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0]
            hits = logits.argmax(-1) == targets
            at = 0
            for i in batch:
                end = at + len(examples[i][1])
                result[i] = bool(hits[at:end].all()), float(log_probs[at:end].sum())
                at = end
        return result


def watched(body):
    """body()'s result, seconds and the share of others meanwhile."""
    def own():
        return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))

    before, begin, start = paired_speed.read_cpu_ticks(), own(), time.monotonic()
    result = body()
    seconds = time.monotonic() - start
    share = paired_speed.other_cpu_share(before, paired_speed.read_cpu_ticks(), own() - begin, os.sysconf("SC_CLK_TCK"))
    return result, seconds, share


def run_assay(texts, folder):
    """The results of the passages, as transformers' above, and the record that assay wrote."""
    data, examples = folder / "data.jsonl", folder / "examples.jsonl"
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    command = [str(args.assay), "eval", "lambada", args.model, "--data", str(data), "--examples", str(examples), "--threads", str(args.threads),
               "--activations", args.activations, "--quiet", "--json", "-"]
    record = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rows = [json.loads(line) for line in examples.read_text().splitlines()]
    return [(row["correct"], row["log_prob"]) for row in rows], record


def main():
    texts = [json.loads(line)["text"] for line in args.data.read_text(encoding="utf-8").splitlines()][: args.limit]
    number = max(1, round(len(texts) / args.chunk))
    peer = Transformers(args.hf_model)
    peer.correct(texts[: args.batch])  # warms up
    rows, ours_correct, theirs_correct, differing, furthest = [], 0, 0, 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for k in range(number):
            chunk = texts[k::number]

            def take_ours():
                return watched(lambda: run_assay(chunk, pathlib.Path(scratch)))

            if k % 2:
                (ours, record), wall, our_share = take_ours()
            theirs, their_seconds, their_share = watched(lambda: peer.correct(chunk))
            if not k % 2:
                (ours, record), wall, our_share = take_ours()
            ours_correct += sum(hit for hit, _ in ours)
            theirs_correct += sum(hit for hit, _ in theirs)
            differing += sum(a[0] != b[0] for a, b in zip(ours, theirs))
            furthest = max(furthest, *(abs(a[1] - b[1]) for a, b in zip(ours, theirs)))
            rows.append({"passages": len(chunk), "assay_seconds": record["seconds"], "assay_process_seconds": wall,
                         "transformers_seconds": their_seconds, "other_cpu_share": max(our_share, their_share)})
            print(f"chunk {k + 1} of {number}: {len(chunk)} passages, assay {record['seconds']:.2f} s (process {wall:.2f}), transformers "
                  f"{their_seconds:.2f} s, others {100 * rows[-1]['other_cpu_share']:.1f} %", flush=True)
    quiet = [row for row in rows if paired_speed.is_quiet(row)]
    ratio = paired_speed.spread(row["transformers_seconds"] / row["assay_seconds"] for row in quiet)
    sums = {key: sum(row[key] for row in quiet) for key in ("passages", "assay_seconds", "assay_process_seconds", "transformers_seconds")}
    if args.json:
        args.json.write_text(json.dumps({"threads": args.threads, "batch": args.batch, "activations": args.activations, "torch": torch.__version__, "transformers":
                                         transformers.__version__, "chunks": rows, "quiet": sums, "ratio": ratio,
                                         "differing_passages": differing, "largest_difference": furthest}, indent=1) + "\n")
    if ratio:
        print(f"{len(quiet)} of {number} chunks were quiet, {sums['passages']} passages: assay {sums['assay_seconds']:.1f} s (processes "
              f"{sums['assay_process_seconds']:.1f} s), transformers {sums['transformers_seconds']:.1f} s; transformers / assay: median of chunks "
              f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})")
    else:
        print(f"none of {number} chunks was quiet")
    print(f"right: assay {ours_correct}, transformers {theirs_correct} of {len(texts)}; {differing} passages differ, log-probabilities of the last "
          f"word by at most {furthest:.1e}")


if __name__ == "__main__":
    main()
