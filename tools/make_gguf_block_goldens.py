#!/usr/bin/env python3
"""Write raw GGUF blocks of every type together with the float32 values that ggml gives for them.

    python tools/make_gguf_block_goldens.py tests/goldens/gguf_blocks --ggml DIR/libggml-base.so

One safetensors file per type:

    random_blocks      uint8   [rows, bytes]   random bits; the float16 scales are finite, of both signs, some 0 or subnormal
    random_values      float32 [rows, columns] what ggml makes of them
    source             float32 [rows, columns] values with outliers, an all-zero and a constant block
    quantized_blocks   uint8   [rows, bytes]   ggml's own quantization of `source` (no importance matrix)
    quantized_values   float32 [rows, columns] what ggml makes of those

The numpy code of the `gguf` package must agree bit for bit, or nothing is written.
"""

import argparse
import ctypes
import pathlib
import zlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

COLUMNS = 256
RANDOM_ROWS = 8
SOURCE_ROWS = 6

# Types and the byte offsets of the float16 fields in one block.
SCALE_OFFSETS = {
    Type.Q8_0: (0,), Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,), Type.Q5_1: (0, 2),
    Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,),
}
TYPES = (Type.F16, Type.BF16, *SCALE_OFFSETS)


class Ggml:
    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.ggml_version.restype = ctypes.c_char_p
        self.library.ggml_commit.restype = ctypes.c_char_p
        self.library.ggml_quantize_chunk.restype = ctypes.c_size_t
        self.library.ggml_quantize_chunk.argtypes = [
            ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
            ctypes.c_void_p]

    def version(self):
        return f"ggml {self.library.ggml_version().decode()}, {self.library.ggml_commit().decode()}"

    def dequantize(self, kind, blocks):
        names = {Type.F16: "ggml_fp16_to_fp32_row", Type.BF16: "ggml_bf16_to_fp32_row"}
        function = getattr(self.library, names.get(kind, f"dequantize_row_{kind.name.replace('Q', 'q')}"))
        function.restype = None
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        values = np.full((blocks.shape[0], COLUMNS), np.nan, dtype=np.float32)
        function(blocks.ctypes.data, values.ctypes.data, values.size)
        return values

    def quantize(self, kind, source):
        blocks = np.zeros((source.shape[0], bytes_per_row(kind)), dtype=np.uint8)
        written = self.library.ggml_quantize_chunk(
            int(kind), source.ctypes.data, blocks.ctypes.data, 0, source.shape[0], COLUMNS, None)
        if written != blocks.nbytes:
            raise AssertionError(f"{kind.name}: {written} bytes written, {blocks.nbytes} expected")
        return blocks


def bytes_per_row(kind):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return COLUMNS // block * size


def random_halves(count, rng):
    """Finite float16 values: mostly of the size of scales, some 0, subnormal or negative."""
    halves = (rng.standard_normal(count) * 2.0 ** rng.integers(-12, 1, count)).astype(np.float16)
    halves[rng.random(count) < 0.06] = 0.0
    subnormal = rng.random(count) < 0.06
    halves[subnormal] = rng.integers(1, 0x400, count, dtype=np.uint16)[subnormal].view(np.float16)
    return halves


def random_blocks(kind, rng):
    raw = rng.integers(0, 256, (RANDOM_ROWS, bytes_per_row(kind)), dtype=np.uint8)
    if kind in SCALE_OFFSETS:
        blocks = raw.reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])
        for offset in SCALE_OFFSETS[kind]:
            blocks[:, offset : offset + 2] = random_halves(len(blocks), rng).view(np.uint8).reshape(-1, 2)
        return raw
    words = raw.view(np.uint16)
    exponent = 0x7C00 if kind == Type.F16 else 0x7F80
    mantissa = 0x7FFF & ~exponent
    words[(words & exponent) == exponent] &= 0x8000 | exponent  # infinities, no NaN
    words[0, :10] = [0, 0x8000, 1, 0x8001, mantissa, exponent, 0x8000 | exponent, exponent - 1, mantissa + 1, 0x3C00]
    return raw


def source_rows(rng):
    rows = rng.standard_normal((SOURCE_ROWS, COLUMNS)).astype(np.float32) * 0.05
    rows[1] += 0.1  # off centre
    rows[2, 7::50] *= 12.0  # outliers
    rows[3, :128] = 0.0
    rows[4, 64:192] = np.float32(0.0625)
    rows[5] *= np.float32(2.0**-14)  # scales that are subnormal in float16
    return rows


def same_bits(a, b):
    return a.shape == b.shape and np.array_equal(a.view(np.uint32), b.view(np.uint32))


def checked_values(ggml, kind, blocks):
    values = ggml.dequantize(kind, blocks)
    if np.isnan(values).any() or not same_bits(values, gguf.dequantize(blocks, kind)):
        raise AssertionError(f"{kind.name}: ggml and the gguf package disagree")
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--ggml", type=pathlib.Path, required=True, help="libggml-base.so")
    args = parser.parse_args()
    ggml = Ggml(args.ggml.resolve())
    print(ggml.version())
    args.out.mkdir(parents=True, exist_ok=True)
    for kind in TYPES:
        rng = np.random.default_rng(zlib.crc32(kind.name.encode()))
        blocks, source = random_blocks(kind, rng), source_rows(rng)
        quantized = ggml.quantize(kind, source)
        values = checked_values(ggml, kind, quantized)
        file = args.out / f"{kind.name.lower()}.safetensors"
        save_file({
            "random_blocks": blocks,
            "random_values": checked_values(ggml, kind, blocks),
            "source": source,
            "quantized_blocks": quantized,
            "quantized_values": values,
        }, file)
        error = np.abs(source - values).max()
        print(f"{kind.name:5} {file.stat().st_size:6d} bytes  max |source - quantized| {error:.4f}")


if __name__ == "__main__":
    main()
