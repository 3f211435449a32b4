#!/usr/bin/env python3
"""Measures detectors in every precision and writes docs/results.md. Needs ../shared and Python's standard library alone.

    cmake --preset release && cmake --build --preset release && bench/detector_results.py

Latencies are taken in rounds over all files, so that a drift of the machine's speed favours none; of each file and number of
threads the round with the least other load counts.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = [("YOLOX-Nano", "yolox_nano/yolox_nano.tflite", ["float32 rewritten", "float16", "int8 static", "int8 dynamic"]),
          # Its weights and activations are uint8 in the file already.
          ("SSD MobileNet v1 (uint8 as published)", "ssd_mobilenet_v1/ssd_mobilenet_v1_1_metadata_1.tflite", [])]


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def run_json(folder, *command):
    out = folder / "record.json"
    run(*command, "--quiet", "--json", out)
    return json.loads(out.read_text())


def options(precision, data):
    if precision.startswith("float"):
        return ["--to", precision.split()[0]]
    if precision == "int8 dynamic":
        return ["--to", "int8", "--int8", "dynamic"]
    return ["--to", "int8", "--int8", "static", "--calibration", data / "coco/train2017", "--samples", "64"]


def files_of(assay, data, folder):
    """(model, precision, path, seconds of the quantization) of every file to measure."""
    for name, path, precisions in MODELS:
        yield name, "as published" if not precisions else "float32", data / "models" / path, None
        for precision in precisions:
            out = folder / f"{pathlib.Path(path).stem}-{precision.replace(' ', '-')}.tflite"
            record = run_json(folder, assay, "quantize", data / "models" / path, *options(precision, data), "-o", out)
            yield name, precision, out, record["seconds"]


def quietest(rows):
    return min(rows, key=lambda row: row.get("other_cpu_share", 1.0))


def measure(assay, data, folder, limit, rounds):
    files = list(files_of(assay, data, folder))
    evaluations = [run_json(folder, assay, "eval", "coco", path, "--images", data / "coco/val2017", "--annotations",
                            data / "coco/instances_val2017_100.json", "--limit", limit, "--threads", 1)
                   for _, _, path, _ in files]
    benches = [{1: [], 2: []} for _ in files]
    for _ in range(rounds):
        for (_, _, path, _), bench in zip(files, benches):
            for row in run_json(folder, assay, "bench", path, "--threads", "1,2"):
                bench[row["threads"]].append(row)
    return [(*file, evaluation, {threads: quietest(rows) for threads, rows in bench.items()})
            for file, evaluation, bench in zip(files, evaluations, benches)]


def ms(seconds):
    return f"{1e3 * seconds:.1f}"


def render(results, rounds, assay):
    environment = results[0][5][1]["environment"]
    lines = ["# Detectors, measured", "",
             "Written by `bench/detector_results.py`; run it again to replace this page.", "",
             f"Machine: {environment.get('cpu_model', 'unknown processor')}, {environment['usable_cpus']} processors, "
             f"{environment['isa']}; assay {environment['version']} ({assay.parent.name} build), {environment['compiler']}; LiteRT 2.3.0 with XNNPACK. "
             f"Load average when the last file was measured: {results[-1][5][2]['environment'].get('load_average', '?')}.", "",
             "## Accuracy and size", "",
             f"The first {results[0][4]['images']} pictures by id of `../shared/data/coco` (val2017; all 80 categories occur, so rare "
             "ones are over-represented: compare rows, not with published figures). The interval is a bootstrap over pictures, "
             f"{results[0][4]['resamples']} draws; drawing pictures leaves rare categories out, which lifts the mean over categories, so the "
             "interval does not lie evenly around the figure. float32 is the file as published; every other row has its slow slices replaced as well "
             "(src/quant/tflite/space_to_depth.h), which is all that *float32 rewritten* changes. int8 static is calibrated on 64 train2017 pictures, with percentiles (0.9999) as ranges; operators that int8 would ruin stay in float. "
             "Both defaults were first chosen while looking at these pictures and then confirmed on train2017 pictures that had no part in "
             "the choice (docs/decisions/0002): mean AP of two folds of 32 pictures 0.273, float 0.289. Bias correction, on by default since, "
             "was judged on both sets (0.284 on the folds), so none is untouched for it.", "",
             "| model | precision | AP | 95 % | AP50 | AP75 | small / medium / large | MB | quantized in |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name, precision, _, seconds, record, _ in results:
        low, high = record["intervals"]["AP"]["low"], record["intervals"]["AP"]["high"]
        lines.append(f"| {name} | {precision} | {record['AP']:.4f} | {low:.3f} to {high:.3f} | {record['AP50']:.4f} | "
                     f"{record['AP75']:.4f} | {record['APs']:.3f} / {record['APm']:.3f} / {record['APl']:.3f} | "
                     f"{record['model_bytes'] / 1e6:.2f} | {'' if seconds is None else f'{seconds:.1f} s'} |")
    lines += ["", "## Latency and memory", "",
              f"Milliseconds per picture, inference alone; at least 50 runs or 10 s after a warm-up, the quietest of {rounds} rounds. "
              "*Other load* is the share of the machine that other processes took meanwhile: where it is over 5 %, only `min` says "
              "something about the model. Memory is the peak of a fresh process. Preprocessing and postprocessing are medians over "
              "the pictures above, on one thread.", "",
              "| model | precision | threads | mean | p50 | p90 | p99 | min | runs | other load | peak MB | operators in XNNPACK (share of time outside) | pre | post |",
              "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, precision, _, _, record, benches in results:
        for threads, row in benches.items():
            peak = f"{row['peak_rss_bytes'] / 1e6:.1f}" if row["peak_rss_bytes"] else "-"
            lines.append(f"| {name} | {precision} | {threads} | {ms(row['mean_s'])} | {ms(row['p50_s'])} | {ms(row['p90_s'])} | "
                         f"{ms(row['p99_s'])} | {ms(row['min_s'])} | {row['runs']} | "
                         f"{100 * row.get('other_cpu_share', float('nan')):.0f} % | {peak} | "
                         f"{row['operators']['xnnpack']} of {row['operators']['total']} ({100 * row['operators']['builtin_share']:.0f} %) | {ms(record['preprocess']['median_s'])} | "
                         f"{ms(record['postprocess']['median_s'])} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assay", default=ROOT / "build/release/assay", type=pathlib.Path)
    parser.add_argument("--data", default=ROOT.parent / "shared/data", type=pathlib.Path)
    parser.add_argument("--limit", default=100, type=int, help="pictures")
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("-o", "--out", default=ROOT / "docs/results.md", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(arguments.assay, arguments.data, pathlib.Path(folder), arguments.limit, arguments.rounds)
    arguments.out.write_text(render(results, arguments.rounds, arguments.assay))


if __name__ == "__main__":
    main()
