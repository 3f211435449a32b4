#!/usr/bin/env python3
"""Quantize the same model on the same calibration ids with GPTQModel and with assay, in turn, and print the ratios.

    PYTHON bench/compare_gptqmodel.py ASSAY MODEL HF_MODEL CALIBRATION.json [--rounds 1] [--bits 4] [--group-size 64]

PYTHON has gptqmodel 7.3.6 and torch 2.10; ASSAY is the built program, MODEL what it reads (GGUF or folder), HF_MODEL the folder with
the same weights for GPTQModel. Each round runs both, so drift of the machine favours neither. GPTQModel's seconds are those of its
quantize() call, after loading; assay's are of the whole process. Memory is the peak resident set of each process. One run of GPTQModel before
(on two samples) lets it compile its packer.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("assay", type=pathlib.Path)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("hf_model", type=pathlib.Path)
parser.add_argument("calibration", type=pathlib.Path)
parser.add_argument("--rounds", type=int, default=1)
parser.add_argument("--bits", type=int, default=4)
parser.add_argument("--group-size", type=int, default=64)
parser.add_argument("--no-warm-up", action="store_true", help="GPTQModel has compiled its packer on this machine before")
args = parser.parse_args()

peer = pathlib.Path(__file__).parent / "peers" / "gptqmodel_quantize.py"
shape = ["--bits", str(args.bits), "--group-size", str(args.group_size)]


def run_peer(*more):
    command = [sys.executable, str(peer), str(args.hf_model), str(args.calibration), *shape, *more]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.strip().splitlines()[-1])


def run_assay(folder):
    command = [str(args.assay), "quantize", str(args.model), "--to", f"int{args.bits}", "--group-size", str(args.group_size), "--sym",
               "--calibration", str(args.calibration), "-o", os.path.join(folder, "out"), "--quiet"]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"assay failed with status {status}")
    return {"seconds": time.monotonic() - start, "peak_rss_bytes": usage.ru_maxrss * 1024}


if not args.no_warm_up:
    run_peer("--samples", "2")
ours, theirs = [], []
for _ in range(args.rounds):
    theirs.append(run_peer())
    with tempfile.TemporaryDirectory() as folder:
        ours.append(run_assay(folder))

their_seconds = statistics.median(r["quantize_seconds"] for r in theirs)
our_seconds = statistics.median(r["seconds"] for r in ours)
their_memory = max(r["peak_rss_bytes"] for r in theirs)
our_memory = max(r["peak_rss_bytes"] for r in ours)
print(json.dumps({"gptqmodel": theirs, "assay": ours}, indent=1))
print(f"seconds: GPTQModel {their_seconds:.1f}, assay {our_seconds:.1f}, ratio {our_seconds / their_seconds:.3f}")
print(f"peak memory: GPTQModel {their_memory / 1e6:.0f} MB, assay {our_memory / 1e6:.0f} MB, ratio {our_memory / their_memory:.3f}")
