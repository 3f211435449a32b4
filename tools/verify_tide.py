#!/usr/bin/env python3
"""Compares `assay eval detections --errors` with tidecv on random inputs, and on two files where they are given.

    pip install tidecv==1.0.1 'setuptools<81'
    tools/verify_tide.py build/release/assay --random 200
    tools/verify_tide.py build/release/assay --random 0 --annotations GT.json --detections DT.json

Exits with 0 if all agree, 1 if not, 77 if tidecv is not installed.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import coco_cases

TOLERANCE = 1e-12


def random_case(seed):
    """A crowded problem with ties, crowds and categories without truth; images are listed by id, as assay orders them."""
    rng = random.Random("tide/%d" % seed)
    gt, dt = coco_cases.base(rng, num_images=rng.choice([1, 5, 20]), num_categories=rng.choice([1, 3, 8]),
                             boxes=rng.choice([2, 6, 15]), detections=rng.choice([3, 20, 150]), grid=rng.choice([4, 8, 30]))
    return json.dumps(gt), json.dumps(dt)


def compare(assay, folder, annotations, detections, expected):
    paths = [folder / name for name in ("gt.json", "dt.json", "out.json")]
    paths[0].write_text(annotations)
    paths[1].write_text(detections)
    run = subprocess.run([assay, "eval", "detections", "--annotations", paths[0], "--detections", paths[1], "--errors",
                          "--json", paths[2], "--quiet"], capture_output=True, text=True)
    if run.returncode != 0:
        return ["assay ended with %d: %s" % (run.returncode, run.stderr)]
    actual = json.loads(paths[2].read_text())["errors"]
    pairs = [("AP50", actual["AP50"], expected["AP50"])]
    for kind, figures in expected.items():
        if kind != "AP50":
            pairs += [("%s of %s" % (key, kind), actual[kind][key], value) for key, value in figures.items()]
    return ["%s %r, expected %r" % pair for pair in pairs if abs(pair[1] - pair[2]) > TOLERANCE]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assay")
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--annotations")
    parser.add_argument("--detections")
    options = parser.parse_args()
    try:
        import tide_reference
    except ImportError as error:
        print("skipped:", error)
        return 77
    cases = [("random/%d" % seed, *random_case(seed))
             for seed in range(options.first_seed, options.first_seed + options.random)]
    if options.annotations:
        cases.append((options.detections, pathlib.Path(options.annotations).read_text(),
                      pathlib.Path(options.detections).read_text()))
    failures = unanswered = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, annotations, detections in cases:
            try:
                expected = tide_reference.evaluate(annotations, detections)
            except ZeroDivisionError:  # tidecv's answer where a repair leaves neither truth nor detections
                unanswered += 1
                continue
            wrong = compare(options.assay, pathlib.Path(folder), annotations, detections, expected)
            failures += bool(wrong)
            for line in wrong:
                print("%s: %s" % (name, line))
            if name == options.detections:
                print(json.dumps(expected, indent=1))
    print("%d cases, %d differ, %d that tidecv fails on" % (len(cases), failures, unanswered))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
