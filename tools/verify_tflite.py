#!/usr/bin/env python3
"""Runs a written .tflite file and the float one it came from in LiteRT's Python interpreter on real images, and prints
how far apart they are: signal to quantization noise (dB) per output, latency, and what XNNPACK did not take.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0 numpy pillow
    v/bin/python tools/verify_tflite.py FLOAT.tflite TESTED.tflite... --images DIR [-n 16] [--scale 1]

--ranges OUT.json writes the smallest and largest value of every float tensor over --calibration DIR instead, in the
form that `assay quantize --ranges` takes.
"""
import argparse
import json
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


def load(folder, count, shape, scale, offset):
    """Images as YOLOX wants them: BGR, letterboxed into the upper left corner with grey 114; then times and plus."""
    height, width = shape[1:3]
    for path in sorted(Path(folder).glob("*.jpg"))[:count]:
        image = Image.open(path).convert("RGB")
        ratio = min(height / image.height, width / image.width)
        size = max(1, int(image.width * ratio)), max(1, int(image.height * ratio))
        canvas = np.full((height, width, 3), 114, np.float32)
        canvas[:size[1], :size[0]] = np.asarray(image.resize(size, Image.BILINEAR), np.float32)[:, :, ::-1]
        yield canvas[None] * scale + offset


def run(interpreter, image):
    detail = interpreter.get_input_details()[0]
    if detail["dtype"] != np.float32:
        scale, zero = detail["quantization"]
        limits = np.iinfo(detail["dtype"])
        image = np.clip(np.round(image / scale) + zero, limits.min, limits.max).astype(detail["dtype"])
    interpreter.set_tensor(detail["index"], image)
    start = time.perf_counter()
    interpreter.invoke()
    seconds = time.perf_counter() - start
    outputs = []
    for output in interpreter.get_output_details():
        value = interpreter.get_tensor(output["index"]).astype(np.float64)
        scale, zero = output["quantization"]
        outputs.append((value - zero) * scale if scale else value)
    return outputs, seconds


def open_model(path, threads, **more):
    interpreter = Interpreter(str(path), num_threads=threads, **more)
    interpreter.allocate_tensors()
    return interpreter


def measure(reference, path, images, threads):
    tested = open_model(path, threads)
    signal, noise, times = None, None, []
    for image, expected in zip(images, reference):
        outputs, seconds = run(tested, image)
        times.append(seconds)
        squares = [np.sum(e ** 2) for e in expected]
        errors = [np.sum((e - o) ** 2) for e, o in zip(expected, outputs)]
        signal = squares if signal is None else np.add(signal, squares)
        noise = errors if noise is None else np.add(noise, errors)
    decibels = [10 * np.log10(s / n) if n > 0 else float("inf") for s, n in zip(signal, noise)]
    kinds = [op["op_name"] for op in tested._get_ops_details()]
    delegated = kinds.count("DELEGATE")
    print(f"{path}: {Path(path).stat().st_size:,} bytes, {1000 * min(times):.2f} ms min, {delegated} delegate(s); "
          + "SQNR " + ", ".join(f"{d:.2f} dB" for d in decibels))


def write_ranges(path, out, images, threads):
    interpreter = open_model(path, threads, experimental_preserve_all_tensors=True)
    ranges = {}
    tensors = [t for t in interpreter.get_tensor_details() if t["dtype"] == np.float32]
    for image in images:
        run(interpreter, image)
        for tensor in tensors:
            try:
                value = interpreter.get_tensor(tensor["index"])
            except ValueError:
                continue
            if value.size == 0:
                continue
            low, high = float(value.min()), float(value.max())
            old = ranges.get(tensor["index"], (tensor["name"], low, high, 0.0, 0))
            ranges[tensor["index"]] = (tensor["name"], min(low, old[1]), max(high, old[2]),
                                       old[3] + float(np.square(value, dtype=np.float64).sum()), old[4] + value.size)
    entries = [{"tensor": i, "name": name, "min": low, "max": high, "rms": (squares / count) ** 0.5}
               for i, (name, low, high, squares, count) in sorted(ranges.items())]
    Path(out).write_text(json.dumps({"ranges": entries}, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("float")
    parser.add_argument("tested", nargs="*")
    parser.add_argument("--images", help="a folder of .jpg files")
    parser.add_argument("--calibration", help="the same, for --ranges")
    parser.add_argument("--ranges", help="file to write")
    parser.add_argument("-n", type=int, default=16)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--offset", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    reference = open_model(options.float, options.threads)
    shape = reference.get_input_details()[0]["shape"]
    if options.ranges:
        images = load(options.calibration, options.n, shape, options.scale, options.offset)
        write_ranges(options.float, options.ranges, images, options.threads)
    if options.images:
        images = list(load(options.images, options.n, shape, options.scale, options.offset))
        expected = [run(reference, image)[0] for image in images]
        for path in [options.float] + options.tested:
            measure(expected, path, images, options.threads)


if __name__ == "__main__":
    main()
