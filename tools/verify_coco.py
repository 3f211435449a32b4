#!/usr/bin/env python3
"""Compares `assay eval detections` with pycocotools, double by double, on hostile and random inputs.

    pip install pycocotools==2.0.11
    tools/verify_coco.py build/release/assay --seeds 5 --random 200

Exits with 0 if all agree, 1 if not, 77 if pycocotools is not installed. Inputs that pycocotools fails on are counted
and must not crash assay.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import coco_cases

UNANSWERED = "pycocotools fails"


def compare(assay, folder, gt, dt, reference):
    gt_path, dt_path, out = (str(folder / name) for name in ("gt.json", "dt.json", "out.json"))
    pathlib.Path(gt_path).write_text(gt)
    pathlib.Path(dt_path).write_text(dt)
    expected = reference.evaluate(gt_path, dt_path)
    run = subprocess.run([assay, "eval", "detections", "--annotations", gt_path, "--detections", dt_path, "--json", out,
                          "--threads", "2", "--quiet"], capture_output=True, text=True)
    if run.returncode not in (0, 1):
        return "assay ended with %d: %s" % (run.returncode, run.stderr)
    if isinstance(expected, str):
        return UNANSWERED
    if run.returncode != 0:
        return "assay refused: " + run.stderr.strip()
    actual = json.loads(pathlib.Path(out).read_text())
    figures, categories = expected
    wrong = ["%s %r, expected %r" % (name, actual[name], value) for name, value in figures.items() if actual[name] != value]
    # Where numpy merges ids that are equal as doubles, pycocotools lists a category that exists in no file; it is empty.
    found = [record for record in actual["per_category"] if record["AP"] != -1]
    categories = [entry for entry in categories if entry[1] != -1]
    if len(categories) != len(found):
        wrong.append("%d categories with truth, expected %d" % (len(found), len(categories)))
    for (category, ap), record in zip(categories, found):
        if record["AP"] != ap:
            wrong.append("AP of category %s %r, expected %r" % (category, record["AP"], ap))
    return "; ".join(wrong) or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assay")
    parser.add_argument("--seeds", type=int, default=5, help="per named case")
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--keep", help="a folder for the inputs of a failure")
    options = parser.parse_args()
    try:
        import coco_reference
    except ImportError as error:
        print("skipped:", error)
        return 77
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    cases = [("%s/%d" % (name, seed), *coco_cases.case(name, seed)) for name in coco_cases.CHANGES for seed in seeds]
    for seed in range(options.first_seed, options.first_seed + options.random):
        name, gt, dt = coco_cases.random_case(seed)
        cases.append(("random/%d (%s)" % (seed, name), gt, dt))
    failures = unanswered = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, gt, dt in cases:
            message = compare(options.assay, pathlib.Path(folder), gt, dt, coco_reference)
            unanswered += message is UNANSWERED
            if message in (None, UNANSWERED):
                continue
            failures += 1
            print("%s: %s" % (name, message))
            if options.keep:
                target = pathlib.Path(options.keep)
                target.mkdir(parents=True, exist_ok=True)
                stem = name.split(" ")[0].replace("/", "-")
                (target / (stem + ".gt.json")).write_text(gt)
                (target / (stem + ".dt.json")).write_text(dt)
    print("%d cases, %d differ, %d that pycocotools fails on" % (len(cases), failures, unanswered))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
