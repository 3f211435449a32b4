#!/usr/bin/env python3
"""Writes tests/goldens/tide: what tidecv answers, doubles as hexadecimal.

    assay eval coco yolox_nano.tflite --images ../shared/data/coco/val2017 \\
      --annotations ../shared/data/coco/instances_val2017_100.json --detections yolox.json
    pip install tidecv==1.0.1 'setuptools<81'
    python tools/make_tide_goldens.py yolox.json [--shared ../shared]
"""
import argparse
import importlib.metadata
import json
import pathlib
import sys

import tide_reference
import verify_tide

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = 24
LEAST_SCORE = 0.25  # of the real detections, to keep the file small


def hexadecimal(answer):
    return {kind: figures.hex() if kind == "AP50" else dict(figures, cost=figures["cost"].hex())
            for kind, figures in answer.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detections")
    parser.add_argument("--shared", default=str(ROOT.parent / "shared"))
    options = parser.parse_args()
    target = ROOT / "tests/goldens/tide"
    target.mkdir(parents=True, exist_ok=True)
    cases = []
    for seed in range(SEEDS):
        annotations, detections = verify_tide.random_case(seed)
        if len(annotations) + len(detections) > 20000:
            continue
        try:
            answer = tide_reference.evaluate(annotations, detections)
        except ZeroDivisionError:  # tidecv's answer where a repair leaves neither truth nor detections
            continue
        cases.append({"name": "random/%d" % seed, "errors": hexadecimal(answer), "annotations": annotations,
                      "detections": detections})
    (target / "random.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    real = [dict(box, bbox=[round(v, 2) for v in box["bbox"]], score=round(box["score"], 4))
            for box in json.loads(pathlib.Path(options.detections).read_text()) if box["score"] >= LEAST_SCORE]
    detections = json.dumps(real, separators=(",", ":"))
    annotations = pathlib.Path(options.shared) / "data/coco/instances_val2017_100.json"
    answer = tide_reference.evaluate(annotations.read_text(), detections)
    (target / "yolox_nano.json").write_text(
        json.dumps({"errors": hexadecimal(answer), "detections": detections}) + "\n")
    versions = tuple(importlib.metadata.version(name) for name in ("tidecv", "pycocotools", "numpy"))
    (target / "PROVENANCE.md").write_text(
        "# Goldens of src/eval/coco/error_analysis\n\n"
        "Made by `python tools/make_tide_goldens.py` with Python %d.%d, tidecv %s, pycocotools %s and numpy %s. Doubles are in\n"
        "hexadecimal, fractions where tidecv prints percent.\n\n| file | what | inputs |\n|---|---|---|\n"
        "| random.json | tidecv's answers to %d random inputs | `tools/verify_tide.py`, seeded, inside of the file |\n"
        "| yolox_nano.json | its answer to %d detections of YOLOX-Nano with a score of %.2f and more | inside of the file; annotations: "
        "`../shared/data/coco/instances_val2017_100.json` |\n" % (*sys.version_info[:2], *versions, len(cases), len(real), LEAST_SCORE))
    print("%d random inputs, %d real detections" % (len(cases), len(real)))


if __name__ == "__main__":
    main()
