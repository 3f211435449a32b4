#!/usr/bin/env python3
"""Compares `assay eval detections` with pycocotools, double by double, on hostile and random inputs.

    pip install pycocotools==2.0.11
    tools/verify_coco.py build/release/assay --seeds 5 --random 200

Each input is evaluated as COCO does, and with other limits, areas and thresholds (coco_reference.SETTINGS, in turn).
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


def evaluate(assay, folder, options):
    """assay's record, or (whether it refused, why)."""
    run = subprocess.run([assay, "eval", "detections", "--annotations", folder / "gt.json", "--detections", folder / "dt.json",
                          "--json", folder / "out.json", "--threads", "2", "--quiet", *options], capture_output=True, text=True)
    if run.returncode != 0:
        return run.returncode == 1, "assay ended with %d: %s" % (run.returncode, run.stderr.strip())
    return json.loads((folder / "out.json").read_text())


def differences(actual, figures, categories):
    wrong = ["%s %r, expected %r" % (name, actual[name], value) for name, value in figures.items() if actual[name] != value]
    # Where numpy merges ids that are equal as doubles, pycocotools lists a category that exists in no file; it is empty.
    found = [record for record in actual["per_category"] if record["AP"] != -1]
    if len(categories) != len(found):
        wrong.append("%d categories with truth, expected %d" % (len(found), len(categories)))
    for position, (expected, record) in enumerate(zip(categories, found)):
        wrong += ["%s of category %d with truth %r, expected %r" % (name, position, record[name], value)
                  for name, value in expected.items() if record[name] != value]
    return "; ".join(wrong) or None


def compare(assay, folder, gt, dt, reference, settings):
    (folder / "gt.json").write_text(gt)
    (folder / "dt.json").write_text(dt)
    paths = str(folder / "gt.json"), str(folder / "dt.json")
    actual = evaluate(assay, folder, settings.options() if settings else [])
    expected = reference.run(*paths, settings) if settings else reference.evaluate(*paths)
    if isinstance(expected, str):
        return actual[1] if isinstance(actual, tuple) and not actual[0] else UNANSWERED
    if isinstance(actual, tuple):
        return actual[1]
    if settings:
        return differences(actual, reference.figures(expected, settings), reference.category_figures(expected, settings))
    figures, categories = expected
    return differences(actual, figures, [{"AP": ap} for _, ap in categories if ap != -1])


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
        print("skipped: %s; tools/fetch-peers installs it" % error)
        return 77
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    cases = [("%s/%d" % (name, seed), *coco_cases.case(name, seed)) for name in coco_cases.CHANGES for seed in seeds]
    for seed in range(options.first_seed, options.first_seed + options.random):
        name, gt, dt = coco_cases.random_case(seed)
        if coco_cases.has_an_order(dt):
            cases.append(("random/%d (%s)" % (seed, name), gt, dt))
    names = sorted(coco_reference.SETTINGS)
    failures = unanswered = evaluations = 0
    with tempfile.TemporaryDirectory() as folder:
        for position, (name, gt, dt) in enumerate(cases):
            other = names[position % len(names)]
            messages = []
            for label, settings in ("COCO's", None), (other, coco_reference.SETTINGS[other]):
                message = compare(options.assay, pathlib.Path(folder), gt, dt, coco_reference, settings)
                evaluations += 1
                unanswered += message is UNANSWERED
                if message not in (None, UNANSWERED):
                    messages.append("%s: %s" % (label, message))
            if not messages:
                continue
            failures += 1
            print("%s: %s" % (name, "; ".join(messages)))
            if options.keep:
                target = pathlib.Path(options.keep)
                target.mkdir(parents=True, exist_ok=True)
                stem = name.split(" ")[0].replace("/", "-")
                (target / (stem + ".gt.json")).write_text(gt)
                (target / (stem + ".dt.json")).write_text(dt)
    print("%d inputs, %d evaluations, %d inputs differ, pycocotools fails in %d evaluations"
          % (len(cases), evaluations, failures, unanswered))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
