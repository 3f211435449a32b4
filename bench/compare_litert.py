#!/usr/bin/env python3
"""Latency of `assay bench` beside LiteRT's Python interpreter of the same wheel, in interleaved rounds.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0 numpy
    v/bin/python bench/compare_litert.py build/release/assay model.tflite [...] [--threads 1,2] [--rounds 5]

Each round is a fresh process on either side, in alternating order, so that a machine that slows down slows both. The last
column compares medians of the rounds' medians, and minima, which another load on the machine disturbs least.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile

PEER = """
import json, sys, time
import numpy as np
from ai_edge_litert import interpreter
path, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = interpreter.Interpreter(model_path=path, num_threads=threads)
model.allocate_tensors()
rng = np.random.default_rng(1)
for detail in model.get_input_details():
    model.set_tensor(detail["index"], rng.integers(0, 256, detail["shape"]).astype(detail["dtype"]))
for _ in range(6):
    model.invoke()
seconds = []
for _ in range(runs):
    start = time.perf_counter()
    model.invoke()
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def ours(assay, model, threads):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([assay, "bench", model, "--threads", str(threads), "--json", out.name, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        row = json.load(open(out.name))
    return row["p50_s"], row["min_s"], row["runs"]


def peer(model, threads, runs):
    text = subprocess.run([sys.executable, "-c", PEER, model, str(threads), str(runs)], check=True, capture_output=True).stdout
    seconds = json.loads(text)
    return statistics.median(seconds), min(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("assay")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print("| model | threads | Assay ms (p50, min) | Python ms (p50, min) | Assay / Python (p50, min) |")
    print("|---|---|---|---|---|")
    for model in arguments.models:
        for threads in map(int, arguments.threads.split(",")):
            a, b, runs = [], [], 50
            for round_number in range(arguments.rounds):
                if round_number % 2:
                    b.append(peer(model, threads, runs))
                *times, runs = ours(arguments.assay, model, threads)
                a.append(times)
                if not round_number % 2:
                    b.append(peer(model, threads, runs))
            p50 = [1e3 * statistics.median(x[0] for x in side) for side in (a, b)]
            low = [1e3 * min(x[1] for x in side) for side in (a, b)]
            print(f"| {model.split('/')[-1]} | {threads} | {p50[0]:.2f}, {low[0]:.2f} | {p50[1]:.2f}, {low[1]:.2f} | "
                  f"{p50[0] / p50[1]:.3f}, {low[0] / low[1]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
