#!/usr/bin/env python3
"""Writes tests/goldens/litert and models/litert: what LiteRT's own Python interpreter answers, for the tests of src/detect.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0 numpy
    v/bin/python tools/make_litert_goldens.py ../shared/data/models

Inputs are not stored: both sides make them from a seed (splitmix64, see bits()). Outputs are stored as SHA-256 of their
bytes, since equality is to be in every bit, with the processor's instruction set that they were made on: XNNPACK picks its
kernels by it, and other sets round otherwise.
"""
import hashlib
import json
import pathlib
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter, schema_py_generated as schema

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ["yolox_nano/yolox_nano.tflite", "ssd_mobilenet_v1/ssd_mobilenet_v1_1_metadata_1.tflite"]
SEEDS = [1, 2]


def bits(seed, count):
    """The upper 8 bits of splitmix64's first `count` numbers."""
    mask = (1 << 64) - 1
    states = (np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)) & np.uint64(mask)
    z = states
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(56)).astype(np.uint8)


def one_operator_model():
    """output[i] = input[i] + (i + 1): one ADD on four floats."""
    model = schema.ModelT()
    model.version = 3
    model.description = b"Assay's self-test: one ADD"
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    model.operatorCodes = [code]
    constant = schema.BufferT()
    constant.data = np.frombuffer(np.arange(1, 5, dtype=np.float32).tobytes(), dtype=np.uint8)
    model.buffers = [schema.BufferT(), constant]

    def tensor(name, buffer):
        t = schema.TensorT()
        t.name, t.buffer, t.shape, t.type = name, buffer, [1, 4], schema.TensorType.FLOAT32
        return t

    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.AddOptions
    operator.builtinOptions = schema.AddOptionsT()
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [tensor(b"input", 0), tensor(b"constant", 1), tensor(b"output", 0)]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [operator]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def outputs_of(path, threads, seed):
    model = interpreter.Interpreter(model_path=str(path), num_threads=threads)
    model.allocate_tensors()
    inputs = []
    for detail in model.get_input_details():
        raw = bits(seed, int(np.prod(detail["shape"]))).reshape(detail["shape"])
        model.set_tensor(detail["index"], raw.astype(detail["dtype"]))
    model.invoke()
    answers = []
    for detail in model.get_output_details():
        value = model.get_tensor(detail["index"])
        scale, zero_point = detail["quantization"]
        answers.append({
            "name": detail["name"], "shape": list(map(int, value.shape)), "dtype": str(value.dtype), "scale": float(scale),
            "zero_point": int(zero_point), "sha256": hashlib.sha256(value.tobytes()).hexdigest(),
            "first": [float(x) for x in value.flatten()[:4]],
        })
    return answers


def isa():
    flags = set(next(l for l in open("/proc/cpuinfo") if l.startswith(("flags", "Features"))).split(":")[1].split())
    return sorted(flags & {"avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm"})


def main():
    shared = pathlib.Path(sys.argv[1])
    (ROOT / "models/litert").mkdir(parents=True, exist_ok=True)
    (ROOT / "models/litert/add_constant.tflite").write_bytes(one_operator_model())
    record = {"made_by": "tools/make_litert_goldens.py", "wheel": "ai-edge-litert 2.3.0", "isa": isa(), "cases": []}
    for name in MODELS:
        for seed in SEEDS:
            answers = outputs_of(shared / name, 1, seed)
            record["cases"].append({"model": name, "seed": seed, "outputs": answers})
    folder = ROOT / "tests/goldens/litert"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outputs.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
