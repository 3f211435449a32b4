#!/usr/bin/env python3
"""Latency of a detector that `assay convert` built beside the one that litert-torch exported from the same weights.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0 numpy
    v/bin/python bench/compare_litert_torch.py OURS.tflite PEER.tflite [PEER.tflite...] [--threads 2] [--rounds 5]
        [--assay build/release/assay]

Each round is a fresh process per file, in alternating order, so that a machine that slows down slows all. The runner is
LiteRT's Python interpreter of one wheel for all files, or with --assay `assay bench`. The ratios (ours / peer) are of
medians of the rounds' medians and of minima, which another load on the machine disturbs least; the largest difference of
the outputs is printed too, to show that the files compute the same. A peer's input may be NHWC or NCHW.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = """
import json, resource, sys, time
import numpy as np
from ai_edge_litert import interpreter
path, threads, runs, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
start = time.perf_counter()
model = interpreter.Interpreter(model_path=path, num_threads=threads)
model.allocate_tensors()
load = time.perf_counter() - start
detail = model.get_input_details()[0]
shape = list(detail["shape"])
nhwc = shape if shape[3] == 3 else [shape[0], shape[2], shape[3], shape[1]]
values = np.random.default_rng(1).standard_normal(nhwc).astype(np.float32)
model.set_tensor(detail["index"], values if shape[3] == 3 else np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
model.invoke()
seconds = []
for _ in range(runs):
    start = time.perf_counter()
    model.invoke()
    seconds.append(time.perf_counter() - start)
for d in model.get_output_details():
    np.save(f"{out}_{d['shape'][-1]}.npy", model.get_tensor(d["index"]))
print(json.dumps([seconds, load, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def python_run(model, threads, runs, out):
    text = subprocess.run([sys.executable, "-c", RUN, model, str(threads), str(runs), str(out)], check=True,
                          capture_output=True, text=True).stdout
    seconds, load, kibibytes = json.loads(text)
    return {"p50": statistics.median(seconds), "min": min(seconds), "load": load, "kib": kibibytes}


def assay_run(assay, model, threads):
    with tempfile.NamedTemporaryFile(suffix=".json") as record:
        subprocess.run([assay, "bench", model, "--threads", str(threads), "--json", record.name, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        row = json.load(open(record.name))
    return {"p50": row["p50_s"], "min": row["min_s"]}


def largest_difference(folder, one, other):
    import numpy as np
    pairs = {}
    for path in folder.glob(f"{one}_*.npy"):
        twin = folder / path.name.replace(f"{one}_", f"{other}_", 1)
        if not twin.exists():
            sys.exit(f"file {other}: no output whose last dimension is that of {path.stem}; the files are different models")
        name = "boxes" if path.stem.endswith("_4") else "logits"
        pairs[name] = float(np.abs(np.load(path) - np.load(twin)).max())
    return pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours")
    parser.add_argument("peers", nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="inferences per round, after one to warm up")
    parser.add_argument("--assay", help="time with this program's bench command instead of the Python interpreter")
    options = parser.parse_args()
    files = [options.ours, *options.peers]
    rounds = [[] for _ in files]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = os.getloadavg()[0]
        for number in range(options.rounds):
            order = list(range(len(files)))
            for index in order if number % 2 == 0 else reversed(order):
                measured = {}
                if not options.assay or number == 0:
                    measured = python_run(files[index], options.threads, options.runs, folder / str(index))
                if options.assay:
                    measured |= assay_run(options.assay, files[index], options.threads)
                rounds[index].append(measured)
        differences = [largest_difference(folder, 0, index) for index in range(len(files))]
    print(f"{options.threads} threads, {options.rounds} rounds, load {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    print("| file | bytes | ms (p50, min) | peak MiB | ours / this (p50, min) | largest difference from ours |")
    print("|---|---|---|---|---|---|")
    figures = [(statistics.median(m["p50"] for m in side), min(m["min"] for m in side)) for side in rounds]
    for index, file in enumerate(files):
        p50, low = figures[index]
        far = ", ".join(f"{kind} {value:.1e}" for kind, value in sorted(differences[index].items()))
        print(f"| {Path(file).name} | {Path(file).stat().st_size:,} | {1e3 * p50:.1f}, {1e3 * low:.1f} | "
              f"{max(m.get('kib', 0) for m in rounds[index]) / 1024:.0f} | {figures[0][0] / p50:.3f}, {figures[0][1] / low:.3f} | "
              f"{'' if index == 0 else far} |")


if __name__ == "__main__":
    main()
