#!/usr/bin/env python3
"""Writes tests/goldens/coco: what pycocotools answers on hostile inputs, doubles as hexadecimal.

    pip install pycocotools==2.0.11
    python tools/make_coco_goldens.py [--shared ../shared]
"""
import argparse
import importlib.metadata
import json
import pathlib
import sys
import tempfile

import numpy as np

import coco_cases
import coco_reference

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = 1
# Cases whose categories all count, so that arrays have one shape.
WITH_SETTINGS = ["plain", "rounding", "ties_all_equal", "crowds", "over_100", "area_edges", "box_zero", "gt_id_zero"]


def golden(name, gt_path, dt_path):
    answer = coco_reference.evaluate(str(gt_path), str(dt_path))
    if isinstance(answer, str):
        return None
    figures, categories = answer
    return {"name": name, "figures": {key: value.hex() for key, value in figures.items()},
            "per_category": [value.hex() for _, value in categories if value != -1]}


def digest(array):
    """FNV-1a over the doubles' bits, in C order."""
    value = 0xcbf29ce484222325
    for bits in np.ascontiguousarray(array).view(np.uint64).ravel().tolist():
        value = (value ^ bits) * 0x100000001b3 & 0xffffffffffffffff
    return "%016x" % value


def settings_golden(case, settings_name, gt_path, dt_path):
    """Of the arrays that pycocotools accumulates, precision at the largest limit alone, as assay keeps it."""
    settings = coco_reference.SETTINGS[settings_name]
    coco = coco_reference.run(str(gt_path), str(dt_path), settings)
    assert not isinstance(coco, str), coco
    figures = coco_reference.figures(coco, settings)
    return {"case": case, "max_dets": settings.max_dets, "areas": settings.areas, "thresholds": [t.hex() for t in settings.thresholds],
            "precision": digest(coco.eval["precision"][..., -1]), "recall": digest(coco.eval["recall"]),
            "figures": {key: value.hex() for key, value in figures.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=str(ROOT.parent / "shared"))
    options = parser.parse_args()
    target = ROOT / "tests/goldens/coco"
    target.mkdir(parents=True, exist_ok=True)
    cases, with_settings = [], []
    with tempfile.TemporaryDirectory() as folder:
        gt_path, dt_path = pathlib.Path(folder) / "gt.json", pathlib.Path(folder) / "dt.json"
        for name in coco_cases.CHANGES:
            for seed in range(SEEDS):
                gt, dt = coco_cases.case(name, seed)
                gt_path.write_text(gt)
                dt_path.write_text(dt)
                case = golden("%s/%d" % (name, seed), gt_path, dt_path)
                if case is None:
                    print("pycocotools fails on %s/%d" % (name, seed), file=sys.stderr)
                    continue
                cases.append(dict(case, annotations=gt, detections=dt))
                if name in WITH_SETTINGS:
                    with_settings += [settings_golden(case["name"], other, gt_path, dt_path) for other in sorted(coco_reference.SETTINGS)]
    (target / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    (target / "settings.json").write_text("[\n" + ",\n".join(json.dumps(entry) for entry in with_settings) + "\n]\n")
    real = pathlib.Path(options.shared) / "data/evaluator/cocoapi_val2014_100"
    val2014 = golden("cocoapi_val2014_100", real / "instances_val2014_100.json",
                     real / "instances_val2014_fakebbox100_results.json")
    (target / "val2014_100.json").write_text(json.dumps(val2014, indent=1) + "\n")
    versions = {name: importlib.metadata.version(name) for name in ("pycocotools", "numpy")}
    (target / "PROVENANCE.md").write_text(
        "# Goldens of src/eval/coco\n\n"
        "Made by `python tools/make_coco_goldens.py` with Python %d.%d, pycocotools %s and numpy %s. Doubles are in hexadecimal.\n"
        "Categories without anything to find are left out of `per_category`.\n\n"
        "| file | what | inputs |\n|---|---|---|\n"
        "| cases.json | %d hostile inputs with pycocotools' answers | `tools/coco_cases.py`, seeded, inside of the file |\n"
        "| settings.json | %d of them at %d other settings of limits, areas and thresholds: digests of pycocotools' arrays, and figures | `coco_reference.SETTINGS` |\n"
        "| val2014_100.json | pycocotools' own example | `../shared/data/evaluator/cocoapi_val2014_100` (box results) |\n"
        % (sys.version_info[0], sys.version_info[1], versions["pycocotools"], versions["numpy"], len(cases),
           len(WITH_SETTINGS), len(coco_reference.SETTINGS)))


if __name__ == "__main__":
    main()
