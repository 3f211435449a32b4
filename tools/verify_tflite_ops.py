#!/usr/bin/env python3
"""Checks the int8 rules of every operator against LiteRT itself: builds a model of one operator (between two that are
int8 anyway), quantizes it with `assay quantize --int8 static`, runs both and prints the signal to noise ratio.
Fails when a file does not load, an operator stayed in float, or the noise is out of proportion.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0 numpy
    v/bin/python tools/verify_tflite_ops.py build/dev/assay [--int16] [OPERATOR...]

--int16 does so for `--int8 int16x8`; operators without an int16 kernel must then stay in float.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

TYPES = {np.dtype(np.float32): 0, np.dtype(np.int32): 2, np.dtype(np.bool_): 6}
LEAST_DECIBELS = {False: 20, True: 30}  # of int8 and of int16; 30 for NOT_EQUAL, the others have over 40


class Net:
    def __init__(self):
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.subgraphs, self.model.operatorCodes = 3, [self.graph], []
        self.model.buffers = [schema.BufferT()]
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []

    def tensor(self, shape, dtype=np.float32, data=None):
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), TYPES[np.dtype(dtype)], 0
        tensor.name = "t%d" % len(self.graph.tensors)
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def input(self, shape):
        self.graph.inputs.append(self.tensor(shape))
        return self.graph.inputs[-1]

    def constant(self, values, dtype=np.float32):
        values = np.asarray(values, dtype)
        return self.tensor(values.shape, dtype, values)

    def op(self, name, inputs, *shapes, dtype=np.float32, **options):
        code, op = schema.OperatorCodeT(), schema.OperatorT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 2 if name == "BROADCAST_TO" else 1
        op.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(code)
        op.inputs, op.outputs = list(inputs), [self.tensor(shape, dtype) for shape in shapes]
        table = options.pop("table", None)
        if table:
            op.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            op.builtinOptions = getattr(schema, table + "T")()
            for key, value in options.items():
                assert hasattr(op.builtinOptions, key), key
                setattr(op.builtinOptions, key, value)
        self.graph.operators.append(op)
        return op.outputs[0] if len(op.outputs) == 1 else op.outputs

    def write(self, path):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        Path(path).write_bytes(bytes(builder.Output()))


rng = np.random.default_rng(5)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def ints(*values):
    return np.asarray(values, np.int32)


def pool(net, name, x):
    return net.op(name, [x], (1, 4, 4, 8), table="Pool2DOptions", strideW=2, strideH=2, filterWidth=2, filterHeight=2,
                  padding=1)


def unary(name, table=None, shape=(1, 8, 8, 8), **options):
    return lambda net, x: net.op(name, [x], shape, table=table, **options)


def binary(name, table=None, other=(8,), dtype=np.float32, **options):
    return lambda net, x: net.op(name, [x, net.constant(normal(*other))], (1, 8, 8, 8), dtype=dtype, table=table, **options)


def with_ints(name, values, shape, table=None, **options):
    return lambda net, x: net.op(name, [x, net.constant(values, np.int32)], shape, table=table, **options)


def square(net, name, x, table=None, positive=False):
    sq = net.op("MUL", [x, x], (1, 8, 8, 8), table="MulOptions")
    y = net.op("ADD", [sq, net.constant([1.0])], (1, 8, 8, 8), table="AddOptions")
    return net.op(name, [y], (1, 8, 8, 8), table=table)


CASES = {
    "CONV_2D": lambda n, x: n.op("CONV_2D", [x, n.constant(normal(6, 3, 3, 8)), n.constant(normal(6))], (1, 8, 8, 6),
                                 table="Conv2DOptions", strideW=1, strideH=1),
    "DEPTHWISE_CONV_2D": lambda n, x: n.op("DEPTHWISE_CONV_2D", [x, n.constant(normal(1, 3, 3, 8)), n.constant(normal(8))],
                                           (1, 8, 8, 8), table="DepthwiseConv2DOptions", strideW=1, strideH=1,
                                           depthMultiplier=1),
    "FULLY_CONNECTED": lambda n, x: n.op("FULLY_CONNECTED", [x, n.constant(normal(5, 8)), n.constant(normal(5))],
                                         (1, 8, 8, 5), table="FullyConnectedOptions", keepNumDims=True),
    "TRANSPOSE_CONV": lambda n, x: n.op("TRANSPOSE_CONV", [n.constant([1, 16, 16, 6], np.int32),
                                                           n.constant(normal(6, 2, 2, 8)), x, n.constant(normal(6))],
                                        (1, 16, 16, 6), table="TransposeConvOptions", strideW=2, strideH=2),
    "BATCH_MATMUL": lambda n, x: n.op("BATCH_MATMUL", [x, x], (1, 8, 8, 8), table="BatchMatMulOptions", adjY=True),
    "ADD": binary("ADD", "AddOptions"), "SUB": binary("SUB", "SubOptions"), "MUL": binary("MUL", "MulOptions"),
    "SQUARED_DIFFERENCE": binary("SQUARED_DIFFERENCE"),
    "MAXIMUM": binary("MAXIMUM", other=(1, 8, 8, 8)), "MINIMUM": binary("MINIMUM", other=(1, 8, 8, 8)),
    "PRELU": lambda n, x: n.op("PRELU", [x, n.constant(rng.uniform(0, 1, (1, 1, 8)).astype(np.float32))], (1, 8, 8, 8)),
    "LEAKY_RELU": unary("LEAKY_RELU", "LeakyReluOptions", alpha=0.1),
    "RELU": lambda n, x: n.op("RELU", [n.op("RESHAPE", [x, n.constant([1, 8, 8, 8], np.int32)], (1, 8, 8, 8))], (1, 8, 8, 8)),
    "RELU6": lambda n, x: n.op("RELU6", [n.op("RESHAPE", [x, n.constant([1, 8, 8, 8], np.int32)], (1, 8, 8, 8))], (1, 8, 8, 8)),
    "RELU_N1_TO_1": lambda n, x: n.op("RELU_N1_TO_1", [n.op("RESHAPE", [x, n.constant([1, 8, 8, 8], np.int32)], (1, 8, 8, 8))],
                                      (1, 8, 8, 8)),
    "HARD_SWISH": unary("HARD_SWISH"), "GELU": unary("GELU", "GeluOptions"), "ELU": unary("ELU"),
    "LOGISTIC": unary("LOGISTIC"), "TANH": unary("TANH"), "SOFTMAX": unary("SOFTMAX", "SoftmaxOptions", beta=1.0),
    "LOG_SOFTMAX": unary("LOG_SOFTMAX"), "L2_NORMALIZATION": unary("L2_NORMALIZATION", "L2NormOptions"),
    "RSQRT": lambda n, x: square(n, "RSQRT", x), "SQRT": lambda n, x: square(n, "SQRT", x),
    "MEAN": with_ints("MEAN", [1, 2], (1, 1, 1, 8), "ReducerOptions", keepDims=True),
    "SUM": with_ints("SUM", [1, 2], (1, 1, 1, 8), "ReducerOptions", keepDims=True),
    "REDUCE_MAX": with_ints("REDUCE_MAX", [1, 2], (1, 1, 1, 8), "ReducerOptions", keepDims=True),
    "REDUCE_MIN": with_ints("REDUCE_MIN", [1, 2], (1, 1, 1, 8), "ReducerOptions", keepDims=True),
    "MAX_POOL_2D": lambda n, x: pool(n, "MAX_POOL_2D", x), "AVERAGE_POOL_2D": lambda n, x: pool(n, "AVERAGE_POOL_2D", x),
    "RESHAPE": with_ints("RESHAPE", [1, 64, 8], (1, 64, 8)),
    "SQUEEZE": lambda n, x: n.op("SQUEEZE", [x], (8, 8, 8), table="SqueezeOptions", squeezeDims=[0]),
    "EXPAND_DIMS": with_ints("EXPAND_DIMS", 1, (1, 1, 8, 8, 8)),
    "TRANSPOSE": with_ints("TRANSPOSE", [0, 3, 1, 2], (1, 8, 8, 8)),
    "PAD": with_ints("PAD", [[0, 0], [1, 1], [1, 1], [0, 0]], (1, 10, 10, 8)),
    "PADV2": lambda n, x: n.op("PADV2", [x, n.constant([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32), n.constant(-2.0)],
                               (1, 10, 10, 8)),
    "MIRROR_PAD": with_ints("MIRROR_PAD", [[0, 0], [1, 1], [1, 1], [0, 0]], (1, 10, 10, 8), "MirrorPadOptions"),
    "CONCATENATION": lambda n, x: n.op("CONCATENATION", [x, n.op("RESHAPE", [x, n.constant([1, 8, 8, 8], np.int32)], (1, 8, 8, 8))],
                                       (1, 8, 8, 16), table="ConcatenationOptions", axis=3),
    "PACK": lambda n, x: n.op("PACK", [x, x], (2, 1, 8, 8, 8), table="PackOptions", valuesCount=2, axis=0),
    "UNPACK": lambda n, x: n.op("UNPACK", [x], *[(1, 8, 8)] * 8, table="UnpackOptions", num=8, axis=1)[3],
    "SPLIT": lambda n, x: n.op("SPLIT", [n.constant(3, np.int32), x], (1, 8, 8, 4), (1, 8, 8, 4), table="SplitOptions",
                               numSplits=2)[1],
    "SPLIT_V": lambda n, x: n.op("SPLIT_V", [x, n.constant([3, 5], np.int32), n.constant(3, np.int32)], (1, 8, 8, 3),
                                 (1, 8, 8, 5), table="SplitVOptions", numSplits=2)[1],
    "RESIZE_BILINEAR": with_ints("RESIZE_BILINEAR", [16, 16], (1, 16, 16, 8), "ResizeBilinearOptions", halfPixelCenters=True),
    "RESIZE_NEAREST_NEIGHBOR": with_ints("RESIZE_NEAREST_NEIGHBOR", [16, 16], (1, 16, 16, 8), "ResizeNearestNeighborOptions"),
    "SLICE": lambda n, x: n.op("SLICE", [x, n.constant([0, 1, 1, 0], np.int32), n.constant([1, 4, 4, 8], np.int32)], (1, 4, 4, 8)),
    "STRIDED_SLICE": lambda n, x: n.op("STRIDED_SLICE", [x, n.constant([0, 0, 0, 0], np.int32), n.constant([1, 8, 8, 8], np.int32),
                                                         n.constant([1, 2, 2, 1], np.int32)], (1, 4, 4, 8),
                                       table="StridedSliceOptions"),
    "GATHER": with_ints("GATHER", [3, 1], (1, 2, 8, 8), "GatherOptions", axis=1),
    "GATHER_ND": with_ints("GATHER_ND", [[0, 3], [0, 1]], (2, 8, 8)),
    "TILE": with_ints("TILE", [1, 2, 1, 1], (1, 16, 8, 8)),
    "BROADCAST_TO": with_ints("BROADCAST_TO", [2, 8, 8, 8], (2, 8, 8, 8)),
    "DEPTH_TO_SPACE": lambda n, x: n.op("DEPTH_TO_SPACE", [x], (1, 16, 16, 2), table="DepthToSpaceOptions", blockSize=2),
    "SPACE_TO_DEPTH": lambda n, x: n.op("SPACE_TO_DEPTH", [x], (1, 4, 4, 32), table="SpaceToDepthOptions", blockSize=2),
    "SPACE_TO_BATCH_ND": lambda n, x: n.op("SPACE_TO_BATCH_ND", [x, n.constant([2, 2], np.int32),
                                                                 n.constant([[0, 0], [0, 0]], np.int32)], (4, 4, 4, 8)),
    "BATCH_TO_SPACE_ND": lambda n, x: n.op(
        "BATCH_TO_SPACE_ND", [n.op("RESHAPE", [x, n.constant([4, 4, 4, 8], np.int32)], (4, 4, 4, 8)),
                              n.constant([2, 2], np.int32), n.constant([[0, 0], [0, 0]], np.int32)], (1, 8, 8, 8)),
    "SELECT_V2": lambda n, x: n.op("SELECT_V2", [n.constant(rng.random((1, 8, 8, 8)) > 0.5, np.bool_), x,
                                                 n.constant(normal(1, 8, 8, 8))], (1, 8, 8, 8)),
    "SELECT": lambda n, x: n.op("SELECT", [n.constant(rng.random((1, 8, 8, 8)) > 0.5, np.bool_), x,
                                           n.constant(normal(1, 8, 8, 8))], (1, 8, 8, 8)),
    "DYNAMIC_UPDATE_SLICE": lambda n, x: n.op("DYNAMIC_UPDATE_SLICE", [x, n.constant(normal(1, 2, 2, 8)),
                                                                       n.constant([0, 1, 1, 0], np.int32)], (1, 8, 8, 8)),
    "NOT_EQUAL": binary("NOT_EQUAL", other=(1, 8, 8, 8), dtype=np.bool_),
}


def run(path, images, want_ranges=False):
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=want_ranges)
    interpreter.allocate_tensors()
    outputs, ranges = [], {}
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).astype(np.float64))
        for tensor in interpreter.get_tensor_details() if want_ranges else []:
            if tensor["dtype"] != np.float32:
                continue
            try:
                value = interpreter.get_tensor(tensor["index"])
            except ValueError:  # the parts of a split that nobody reads
                continue
            low, high = ranges.get(tensor["index"], (np.inf, -np.inf))
            ranges[tensor["index"]] = min(low, float(value.min())), max(high, float(value.max()))
    return np.concatenate([o.ravel() for o in outputs]), ranges


def check(name, assay, folder, int16):
    net = Net()
    x = net.op("CONV_2D", [net.input((1, 8, 8, 8)), net.constant(normal(8, 1, 1, 8)), net.constant(normal(8))], (1, 8, 8, 8),
               table="Conv2DOptions", strideW=1, strideH=1)
    net.graph.outputs = [CASES[name](net, x)]
    original, quantized, ranges_file = folder / "f.tflite", folder / "q.tflite", folder / "r.json"
    net.write(original)
    images = [normal(1, 8, 8, 8) for _ in range(8)]
    expected, ranges = run(original, images, True)
    ranges_file.write_text(json.dumps({"ranges": [{"tensor": i, "min": a, "max": b} for i, (a, b) in ranges.items()]}))
    done = subprocess.run([assay, "quantize", original, "--to", "int8", "--int8", "int16x8" if int16 else "static", "--full-integer", "--ranges",
                           ranges_file, "-o", quantized, "--json", "-"], capture_output=True, text=True)
    if done.returncode != 0:
        return "assay: " + done.stderr.strip()
    static = json.loads(done.stdout)["static"]
    if static["float_operators"]:
        if int16 and list(static["float_operators"]) == [name]:
            print(f"{name:26} stays in float: no int16 kernel")
            return ""
        return "stayed in float: %s" % static["float_operators"]
    try:
        actual, _ = run(quantized, images)
    except (RuntimeError, ValueError) as error:
        return "LiteRT: " + str(error)[:200]
    noise = np.sum((expected - actual) ** 2)
    decibels = 10 * np.log10(np.sum(expected ** 2) / noise) if noise > 0 else np.inf
    fully = int16 or CompiledModel.from_file(str(quantized)).is_fully_accelerated()
    print(f"{name:26} {decibels:6.1f} dB{'' if fully else '   not all taken by XNNPACK'}")
    return "" if decibels >= LEAST_DECIBELS[int16] else f"only {decibels:.1f} dB"


def main():
    failures = {}
    with tempfile.TemporaryDirectory() as folder:
        int16 = "--int16" in sys.argv
        for name in [word for word in sys.argv[2:] if word != "--int16"] or CASES:
            failure = check(name, sys.argv[1], Path(folder), int16)
            if failure:
                failures[name] = failure
                print(f"{name:26} FAILED: {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
