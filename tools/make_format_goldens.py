#!/usr/bin/env python3
"""Makes tests/goldens/formats with the reference libraries (packages safetensors, gguf, torch, numpy).

Usage: make_format_goldens.py tests/goldens/formats

Every tensor holds the little-endian numbers start, start + 1, ... (as far as its type goes), so that the tests can
compute what must be there.
"""
import sys
from pathlib import Path

import gguf
import numpy as np
import safetensors
import safetensors.torch
import torch


def ramp(shape, dtype):
    count = int(np.prod(shape)) if shape else 1
    return (torch.arange(count) % 100).to(dtype).reshape(shape)


def make_safetensors(folder):
    tensors = {
        "weight.f32": ramp((2, 3), torch.float32),
        "weight.bf16": ramp((3, 1), torch.bfloat16),
        "weight.f16": ramp((5,), torch.float16),
        "another.f32": ramp((1,), torch.float32),
        "ids.i64": ramp((2,), torch.int64),
        "ids.i32": ramp((3,), torch.int32),
        "ids.i16": ramp((3,), torch.int16),
        "ids.i8": ramp((3,), torch.int8),
        "ids.u8": ramp((3,), torch.uint8),
        "mask": torch.tensor([True, False, True]),
        "wide.f64": ramp((2, 2), torch.float64),
        "empty": ramp((0, 4), torch.float32),
        "scalar": ramp((), torch.float32),
        'odd "name"\n\u00e9': ramp((1,), torch.float32),
    }
    safetensors.torch.save_file(tensors, folder / "all_dtypes.safetensors", metadata={"format": "pt"})
    safetensors.torch.save_file({}, folder / "no_tensors.safetensors")
    safetensors.torch.save_file(
        {"a": ramp((2, 2), torch.float32).to(torch.float8_e4m3fn)}, folder / "float8.safetensors")


def add_metadata(writer):
    writer.add_uint8("v.uint8", 200)
    writer.add_int8("v.int8", -100)
    writer.add_uint16("v.uint16", 60000)
    writer.add_int16("v.int16", -30000)
    writer.add_uint32("v.uint32", 4000000000)
    writer.add_int32("v.int32", -2000000000)
    writer.add_float32("v.float32", 0.5)
    writer.add_bool("v.bool", True)
    writer.add_string("v.string", "caf\u00e9")
    writer.add_array("v.strings", ["a", "", "\u00e9"])
    writer.add_array("v.integers", [1, -2, 3])
    writer.add_array("v.floats", [0.5, -1.25])
    writer.add_array("v.bools", [True, False])
    writer.add_uint64("v.uint64", 2**64 - 1)
    writer.add_int64("v.int64", -(2**63))
    writer.add_float64("v.float64", 0.1)


def write_gguf(path, alignment, tensors):
    writer = gguf.GGUFWriter(path, arch="test", use_temp_file=False)
    if alignment is not None:
        writer.add_custom_alignment(alignment)
    add_metadata(writer)
    for name, values, raw_dtype in tensors:
        writer.add_tensor(name, values, raw_dtype=raw_dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_gguf(folder):
    plain = [
        ("token_embd.weight", ramp((2, 3), torch.float32).numpy(), None),
        ("blk.0.f16.weight", ramp((3, 2, 1), torch.float16).numpy(), None),
        ("blk.0.bf16.weight", ramp((2, 5), torch.bfloat16).view(torch.int16).numpy().view(np.uint8),
         gguf.GGMLQuantizationType.BF16),
        ("ids", ramp((4,), torch.int32).numpy(), None),
    ]
    write_gguf(folder / "plain.gguf", None, plain)
    write_gguf(folder / "aligned64.gguf", 64, plain)
    values = (np.arange(2 * 256, dtype=np.float32).reshape(2, 256) - 200) / 16
    quantized = []
    for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0"):
        kind = gguf.GGMLQuantizationType[name]
        quantized.append((name.lower(), gguf.quants.quantize(values, kind), kind))
    write_gguf(folder / "quantized.gguf", None, quantized)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make_safetensors(folder)
    make_gguf(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    (folder / "PROVENANCE.md").write_text(
        "Made by the reference libraries: `tools/make_format_goldens.py tests/goldens/formats`, "
        f"safetensors {safetensors.__version__}, gguf 0.19.0, torch {torch.__version__.split('+')[0]}, "
        f"numpy {np.__version__}.\nEvery tensor counts 0, 1, 2 ... (modulo 100); the tensors of quantized.gguf are "
        "(0, 1, 2 ... 511 - 200) / 16, [2, 256], quantized by gguf.\n")


if __name__ == "__main__":
    main()
