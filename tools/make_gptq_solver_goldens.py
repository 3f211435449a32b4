#!/usr/bin/env python3
"""Writes tests/goldens/quant: small layers solved by a plain float64 GPTQ, for src/quant/llm to be compared with.

The algorithm is that of IST-DASLab/gptq's gptq.py and quant.py (arXiv:2210.17323), one column at a time and without blocks:
factor, invert, factor again, then quantize a column and subtract its error from all later ones. It differs in three points,
each on purpose: scales are rounded to float16 before they are used; a group's grid is found from weights that carry all
earlier updates, also those of the same block; a dead column's diagonal is the mean of the live ones instead of 1.

Every row comes with its margin: how far the row's closest decision (code, zero, scale, choice of the search) was from going
the other way, relative to the largest number that enters it. A float32 solver must agree exactly on rows whose margin exceeds
its rounding.

Needs numpy only. Usage: tools/make_gptq_solver_goldens.py tests/goldens/quant
"""
import pathlib
import sys

import numpy as np

SAMPLES = 256  # a power of two, so that H = 2/SAMPLES * X^T X of small integers is exact in float32
SHRINKS = 80
SHRINK_STEPS = 100
NORM = 2.4


def make_layer(seed, rows, cols, dead):
    """Weights (float32) and correlated integer inputs (int8) with channels of very different strength."""
    rng = np.random.default_rng(seed)
    w = (0.05 * rng.standard_normal((rows, cols))).astype(np.float32)
    w[1] = 0.0
    factors = rng.standard_normal((SAMPLES, 12)) @ rng.standard_normal((12, cols))
    strength = np.exp(0.8 * rng.standard_normal(cols))
    x = np.clip(np.rint(strength * (factors + 2.0 * rng.standard_normal((SAMPLES, cols)))), -127, 127)
    x[:, dead] = 0
    return w, x.astype(np.int8)


class Margin:
    """The smallest relative distance of any decision of a row from its alternative."""

    def __init__(self):
        self.value = np.inf

    def decide(self, distance, magnitude):
        self.value = min(self.value, float(distance) / float(magnitude))


def round_half_even(value, magnitude, margin):
    margin.decide(abs(abs(value - np.rint(value)) - 0.5), magnitude)
    return np.rint(value)


def to_half(scale, margin):
    half = np.float16(scale)
    assert 0 < half < np.inf
    for other in (np.nextafter(half, np.float16(0)), np.nextafter(half, np.float16(np.inf))):
        tie = (float(half) + float(other)) / 2
        margin.decide(abs(scale - tie), scale)
    return float(half)


def make_grid(lo, hi, case, margin):
    max_code = 2 ** case["bits"] - 1
    if case["sym"]:
        return to_half(2 * hi / max_code, margin), 2 ** (case["bits"] - 1)
    scale = to_half((hi - lo) / max_code, margin)
    zero = np.clip(round_half_even(-lo / scale, max_code, margin), 0, max_code)
    if zero < case["min_zero"]:
        zero = case["min_zero"]
        scale = max(scale, to_half(hi / (max_code - zero), margin)) if hi > 0 else scale
    return scale, int(zero)


def quantize(values, scale, zero, bits):
    return np.clip(np.rint(values / scale) + zero, 0, 2 ** bits - 1)


def find_grid(values, diagonal, case, margin):
    lo, hi = min(0.0, values.min()), max(0.0, values.max())
    if case["sym"]:
        hi = max(hi, -lo)
        lo = -hi
    if lo == 0 and hi == 0:
        return 1.0, 2 ** (case["bits"] - 1) if case["sym"] else case["min_zero"]
    if case["search"] == "minmax":
        return make_grid(lo, hi, case, margin)
    candidates = []
    for i in range(SHRINKS):
        shrink = 1 - i / SHRINK_STEPS
        own = Margin()
        scale, zero = make_grid(shrink * lo, shrink * hi, case, own)
        error = np.abs(values - scale * (quantize(values, scale, zero, case["bits"]) - zero))
        weighted = diagonal * error ** 2 if case["search"] == "weighted" else error ** NORM
        candidates.append((weighted.sum(), i, scale, zero, own))
    candidates.sort(key=lambda c: c[:2])
    best = candidates[0]
    # An error of a code, at least an eighth of a step on average, moves by twice its relative change.
    magnitude = 2 * 8 * 2 ** case["bits"]
    if candidates[1][0] > best[0]:
        margin.decide((candidates[1][0] - best[0]) / best[0], magnitude)
    else:
        margin.decide(0, 1)
    margin.value = min(margin.value, best[4].value)
    return best[2], best[3]


def column_order(diagonal, case, group):
    cols = len(diagonal)
    if case["order"] == "natural":
        return np.arange(cols)
    if case["order"] == "activation":
        return np.argsort(-diagonal, kind="stable")
    groups = []
    for begin in range(0, cols, group):
        members = np.arange(begin, min(begin + group, cols))
        groups.append(members[np.argsort(-diagonal[members], kind="stable")])
    groups.sort(key=lambda members: -diagonal[members[0]])
    return np.concatenate(groups)


def solve(w, x, case):
    rows, cols = w.shape
    group = cols if case["group"] == -1 else min(case["group"], cols)
    num_groups = -(-cols // group)
    w = w.astype(np.float64)
    h = 2.0 / SAMPLES * (x.astype(np.float64).T @ x.astype(np.float64))
    original, original_h = w.copy(), h.copy()
    diagonal = np.diag(h).copy()
    dead = diagonal == 0
    mean = diagonal[~dead].mean()
    w[:, dead] = 0
    h[dead, dead] = mean
    order = column_order(diagonal, case, group)
    damped = h[order][:, order] + case["damp"] * mean * np.eye(cols)
    lower = np.linalg.cholesky(damped)
    inverse_lower = np.linalg.inv(lower)
    upper = np.linalg.cholesky(inverse_lower.T @ inverse_lower).T
    regrouped = case["order"] == "activation" and not case["static"] and group < cols
    column_of = np.arange(cols) if regrouped else order
    group_of = column_of // group
    codes = np.zeros((rows, cols), np.uint8)
    scales = np.zeros((rows, num_groups))
    zeros = np.zeros((rows, num_groups), np.uint8)
    margins = np.zeros(rows, np.float32)
    quantized = np.zeros((rows, cols))
    for row in range(rows):
        margin = Margin()
        values = w[row, order].copy()
        found = set()
        if case["static"]:
            for g in range(num_groups):
                members = group_of == g
                scales[row, g], zeros[row, g] = find_grid(values[members], diagonal[order][members], case, margin)
            found = set(range(num_groups))
        largest = np.abs(values).max()
        for i in range(cols):
            g = group_of[i]
            if g not in found:
                members = group_of == g
                scales[row, g], zeros[row, g] = find_grid(values[members], diagonal[order][members], case, margin)
                found.add(g)
            scale, zero = scales[row, g], float(zeros[row, g])
            step = values[i] / scale
            largest = max(largest, abs(values[i]))
            if largest > 0:
                tie = np.clip(np.floor(step) + 0.5, 0.5 - zero, 2 ** case["bits"] - 1.5 - zero)
                margin.decide(abs(step - tie), max(1.0, largest / scale))
            code = quantize(values[i], scale, zero, case["bits"])
            codes[row, column_of[i]] = code
            quantized[row, order[i]] = scale * (code - zero)
            error = (values[i] - scale * (code - zero)) / upper[i, i]
            values[i + 1:] -= error * upper[i, i + 1:]
        margins[row] = min(margin.value, 1.0)
    difference = original - quantized
    weight_error = np.linalg.norm(difference) / np.linalg.norm(original)
    output_error = np.sum((difference @ original_h) * difference) / np.sum((original @ original_h) * original)
    return {"codes": codes, "scales": scales.astype(np.float16), "zeros": zeros, "margins": margins,
            "order": (order if regrouped else np.zeros(0)).astype(np.int32),
            "weight_error": weight_error, "output_error": output_error}


def make_case(name, layer, bits, sym, group, order, static=0, search="minmax", min_zero=0, damp=0.05):
    return dict(name=name, layer=layer, bits=bits, sym=sym, group=group, order=order, static=static, search=search,
                min_zero=min_zero, damp=damp)


LAYERS = {"a": (11, 48, 96, []), "b": (12, 33, 160, [5, 130]), "c": (13, 16, 64, [])}
CASES = [
    make_case("a_int4_sym", "a", 4, 1, 32, "natural"),
    make_case("a_int4_asym", "a", 4, 0, 32, "natural"),
    make_case("a_int4_activation", "a", 4, 0, 32, "activation"),
    make_case("a_int4_activation_static", "a", 4, 0, 32, "activation", static=1),
    make_case("a_int4_group_aware", "a", 4, 1, 32, "groups"),
    make_case("a_int4_natural_static", "a", 4, 0, 32, "natural", static=1),
    make_case("a_int3_sym", "a", 3, 1, 16, "natural"),
    make_case("a_int2_asym", "a", 2, 0, 32, "natural", min_zero=1),
    make_case("a_int2_row_activation", "a", 2, 0, -1, "activation"),
    make_case("a_int4_mse", "a", 4, 0, 32, "natural", search="mse"),
    make_case("a_int2_mse_sym", "a", 2, 1, 32, "activation", search="mse"),
    make_case("a_int4_weighted", "a", 4, 0, 48, "groups", search="weighted"),
    make_case("a_int4_low_damp", "a", 4, 1, 32, "natural", damp=0.01),
    make_case("b_int4_partial_group", "b", 4, 0, 64, "natural"),
    make_case("b_int4_partial_group_aware", "b", 4, 0, 64, "groups"),
    make_case("b_int4_partial_activation", "b", 4, 1, 64, "activation"),
    make_case("b_int3_partial_static", "b", 3, 0, 48, "activation", static=1),
    make_case("b_int4_one_group", "b", 4, 0, 256, "groups"),
    make_case("b_int2_odd_groups", "b", 2, 0, 24, "natural"),
    make_case("c_int8_sym", "c", 8, 1, -1, "activation"),
    make_case("c_int8_asym", "c", 8, 0, 32, "natural"),
]


def main():
    folder = pathlib.Path(sys.argv[1])
    layers = {}
    for name, spec in LAYERS.items():
        layers[name] = make_layer(*spec)
        (folder / f"{name}.bin").write_bytes(layers[name][0].tobytes() + layers[name][1].tobytes())
    lines = ["# name layer rows cols bits sym group order static search min_zero damp order_values weight_error output_error"]
    for case in CASES:
        w, x = layers[case["layer"]]
        result = solve(w, x, case)
        parts = [result[key].tobytes() for key in ("codes", "scales", "zeros", "margins", "order")]
        (folder / f"{case['name']}.bin").write_bytes(b"".join(parts))
        fields = [case["name"], case["layer"], *w.shape]
        fields += [case[key] for key in ("bits", "sym", "group", "order", "static", "search", "min_zero", "damp")]
        fields += [len(result["order"]), f"{result['weight_error']:.12g}", f"{result['output_error']:.12g}"]
        lines.append(" ".join(map(str, fields)))
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
