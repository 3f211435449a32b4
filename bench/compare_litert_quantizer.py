#!/usr/bin/env python3
"""Quantizes one float .tflite with litert-quantizer and with assay on the same calibration images, and compares size,
time and the error of the outputs against the float model on other images.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0 litert-quantizer==0.11 numpy pillow
    v/bin/python bench/compare_litert_quantizer.py build/release/assay MODEL.tflite --calibration DIR --images DIR

Both static quantizations see the same ranges: smallest and largest value over the calibration images for assay, and
litert-quantizer's own moving average of them for it. Times are without calibration, the least of several turns that
alternate: `seconds` of reading, quantizing and writing (assay waits until the file is on disk, the other does not),
`process_seconds` of assay's whole process, for which litert-quantizer would have to import itself.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import verify_tflite as verify  # noqa: E402
from litert_quantizer import quantizer, recipe  # noqa: E402

RECIPES = {"dynamic": recipe.dynamic_wi8_afp32, "weight-only": recipe.weight_only_wi8_afp32, "static": recipe.static_wi8_ai8}


def run_peer(model, kind, out, calibration):
    start = time.perf_counter()
    peer = quantizer.Quantizer(str(model), RECIPES[kind]())
    peer.quantize(calibration).export_model(str(out), overwrite=True)
    return time.perf_counter() - start


def calibrate_peer(model, images):
    interpreter = verify.open_model(model, 1)
    key, signature = next(iter(interpreter.get_signature_list().items()))
    return quantizer.Quantizer(str(model), RECIPES["static"]()).calibrate(
        {key: [{signature["inputs"][0]: image} for image in images]})


def run_assay(assay, model, kind, out, ranges):
    """Seconds of the quantization, and of the whole process."""
    record = Path(out).with_suffix(".json")
    words = [assay, "quantize", model, "--to", "float16" if kind == "float16" else "int8", "-o", out, "--quiet",
             "--no-speed-check", "--json", record]
    words += [] if kind == "float16" else ["--int8", kind]
    words += ["--ranges", ranges] if kind == "static" else []
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    process = time.perf_counter() - start
    return json.loads(record.read_text())["seconds"], process


def decibels(expected, actual):
    noise = np.sum((expected - actual) ** 2)
    return 10 * np.log10(np.sum(expected ** 2) / noise) if noise else np.inf


def errors(reference, path, images):
    """SQNR of each output; of an output whose rows are boxes and scores (YOLO: 4 + 1 + classes), of both apart."""
    interpreter = verify.open_model(path, 1)
    outputs, times = zip(*(verify.run(interpreter, image) for image in images))
    figures = {}
    for index in range(len(outputs[0])):
        expected, actual = (np.concatenate([o[index] for o in side]) for side in (reference, outputs))
        figures["all"] = decibels(expected, actual)
        if expected.shape[-1] > 5:
            figures["boxes"] = decibels(expected[..., :4], actual[..., :4])
            figures["scores"] = decibels(expected[..., 4:5] * expected[..., 5:], actual[..., 4:5] * actual[..., 5:])
    return figures, min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assay")
    parser.add_argument("model")
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--out", default="/tmp/compare_litert_quantizer")
    options = parser.parse_args()
    folder = Path(options.out)
    folder.mkdir(exist_ok=True)
    shape = verify.open_model(options.model, 1).get_input_details()[0]["shape"]
    calibration = list(verify.load(options.calibration, options.samples, shape, 1, 0))
    images = list(verify.load(options.images, options.n, shape, 1, 0))
    ranges = folder / "ranges.json"
    verify.write_ranges(options.model, ranges, calibration, 1)
    peer_calibration = calibrate_peer(options.model, calibration)
    files = {}
    for kind in ["float16", *RECIPES]:
        ours, theirs = folder / f"assay_{kind}.tflite", folder / f"peer_{kind}.tflite"
        times, processes, peer_times = [], [], []
        for _ in range(options.turns):
            seconds, process = run_assay(options.assay, options.model, kind, ours, ranges)
            times.append(seconds)
            processes.append(process)
            if kind in RECIPES:
                peer_times.append(run_peer(options.model, kind, theirs, peer_calibration if kind == "static" else None))
        files[f"assay {kind}"] = ours, {"seconds": round(min(times), 4), "process_seconds": round(min(processes), 4)}
        if kind in RECIPES:
            files[f"litert-quantizer {kind}"] = theirs, {"seconds": round(min(peer_times), 4)}
    float_model = verify.open_model(options.model, 1)
    reference = [verify.run(float_model, image)[0] for image in images]
    rows = {"float32": (Path(options.model), {}), **files}
    for name, (path, times) in rows.items():
        figures, fastest = errors(reference, path, images)
        print(json.dumps({"file": name, "bytes": path.stat().st_size, **times,
                          "fastest_ms": round(1000 * fastest, 2), **{k: round(v, 2) for k, v in figures.items()}}))


if __name__ == "__main__":
    main()
