#!/usr/bin/env python3
"""Writes src/formats/tflite/operators.h and schema_text.cc from the schema that the LiteRT wheel carries.

    python3 -m venv v && v/bin/pip install ai-edge-litert==2.3.0
    python3 tools/make_tflite_schema.py v/lib/python3*/site-packages/ai_edge_litert/schema_py_generated.py

FlatBuffers only ever appends: slots and numbers stay what they are, so a newer wheel adds lines and changes none.
"""
import re
import sys
from pathlib import Path

SCALARS = {"Bool": "b1", "Int8": "i1", "Uint8": "u1", "Int16": "i2", "Uint16": "u2", "Int32": "i4", "Uint32": "u4",
           "Int64": "i8", "Uint64": "u8", "Float32": "f4", "Float64": "f8"}
# Deprecated slots, for which the generator writes no accessor, as schema.fbs declares them.
DEPRECATED = {("ResizeBilinearOptions", 0): ("new_height", "i4"), ("ResizeBilinearOptions", 1): ("new_width", "i4"),
              ("SignatureDef", 3): ("deprecated_tag", "string")}
UNIONS = {("QuantizationParameters", "details"): "QuantizationDetails",
          ("DimensionMetadata", "array_segments"): "SparseIndexVector",
          ("DimensionMetadata", "array_indices"): "SparseIndexVector",
          ("Operator", "builtin_options"): "BuiltinOptions", ("Operator", "builtin_options2"): "BuiltinOptions2"}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def field_type(table, name, is_vector, code):
    if "self._tab.Union" in code:
        return "<" + UNIONS[table, name] + ">"
    if "self._tab.String" in code:
        kind = "string"
    elif match := re.search(r"obj = (\w+)\(", code):
        kind = match.group(1)
    else:
        kind = SCALARS[re.search(r"number_types\.(\w+)Flags, [ao] \+", code).group(1)]
    if is_vector:
        # LiteRT wants a tensor's data at multiples of 16 bytes: (force_align: 16) in schema.fbs.
        return "[" + kind + "]" + ("@16" if (table, name) == ("Buffer", "data") else "")
    default = re.search(r"return ([^\n]+)\Z", code.strip()).group(1)
    default = {"True": "1", "False": "0", "None": "0", "0.0": "0"}.get(default, default)
    return kind if default == "0" else kind + "=" + default


def read(path):
    parts = re.split(r"^class (\w+)\(object\):\n", Path(path).read_text(), flags=re.M)[1:]
    enums, tables = {}, {}
    for name, body in zip(parts[::2], parts[1::2]):
        if "__slots__" not in body:
            members = re.findall(r"^    (\w+) = (-?\d+)$", body, re.M)
            if members:
                enums[name] = [(member, int(number)) for member, number in members]
            continue
        fields = {slot: field for (table, slot), field in DEPRECATED.items() if table == name}
        accessor = (r"    def (\w+)\(self(, j)?\):\n        o = flatbuffers\.number_types\.UOffsetTFlags\.py_type"
                    r"\(self\._tab\.Offset\((\d+)\)\)\n(.*?)(?=\n    # |\n    def |\Z)")
        for function, vector, offset, code in re.findall(accessor, body.split("\ndef ")[0], re.S):
            slot = (int(offset) - 4) // 2
            if not (function.endswith(("AsNumpy", "Length", "IsNone")) and slot in fields):
                fields[slot] = (snake(function), field_type(name, snake(function), vector, code))
        tables[name] = [fields[slot] for slot in range(len(fields))]
    return enums, tables


def constant(name):
    return "k" + "".join(word.capitalize() for word in name.split("_"))


def wrap(items, indent, width=108):
    lines, line = [], " " * indent
    for item in items:
        if len(line) + len(item) + 1 > width:
            lines.append(line.rstrip())
            line = " " * indent
        line += item + " "
    return "\n".join(lines + [line.rstrip()])


def main():
    enums, tables = read(sys.argv[1])
    folder = Path(__file__).parent.parent / "src/formats/tflite"
    header = "// Written by tools/make_tflite_schema.py from ai-edge-litert's schema_py_generated.py; not edited by hand.\n"
    text = header + "#pragma once\n#include <cstdint>\n\nnamespace assay::tflite {\n\n"
    for enum, values in (("Op", "BuiltinOperator"), ("TensorType", "TensorType")):
        text += f"// {values}\nenum class {enum} : std::int32_t {{\n"
        text += wrap([f"{constant(name)} = {number}," for name, number in enums[values]], 2) + "\n};\n\n"
    (folder / "operators.h").write_text(text + "}  // namespace assay::tflite\n")

    text = header + '#include "formats/tflite/schema.h"\n\nnamespace assay::tflite {\n\n'
    text += 'std::string_view schema_text() {\n  return R"('
    for union in sorted(set(UNIONS.values())) + ["BuiltinOperator", "TensorType"]:
        assert [number for _, number in enums[union]] == sorted(number for _, number in enums[union])
        text += f"enum {union}\n" + wrap([f"{name}={number}" for name, number in enums[union]], 1) + "\n"
    for table, fields in sorted(tables.items()):
        text += f"table {table}\n" + (wrap([f"{name}:{kind}" for name, kind in fields], 1) + "\n" if fields else "")
    (folder / "schema_text.cc").write_text(text + ')";\n}\n\n}  // namespace assay::tflite\n')


main()
