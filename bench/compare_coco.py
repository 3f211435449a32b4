#!/usr/bin/env python3
"""Load + evaluate, whole process: assay beside the fastest peers, interleaved, on a seeded synthetic problem.

    pip install ultrafast-pycocotools==0.1.14 faster-coco-eval==1.8.0 hotcoco==1.3.0
    bench/compare_coco.py build/release/assay --rounds 5 --threads 1

Prints the minimum of wall time and of peak memory per tool. On a shared machine only ratios within a run count.
"""
import argparse
import json
import os
import pathlib
import random
import sys
import tempfile
import time

PEERS = {
    "ultrafast-pycocotools": "from ultrafast_pycocotools.coco import COCO; from ultrafast_pycocotools.cocoeval import COCOeval",
    "faster-coco-eval": "from faster_coco_eval import COCO, COCOeval_faster as COCOeval",
    "hotcoco": "from hotcoco import COCO, COCOeval",
}
SCRIPT = """{imports}
import sys
gt = COCO(sys.argv[1])
run = COCOeval(gt, gt.loadRes(sys.argv[2]), {iou_type})
run.evaluate(); run.accumulate(); run.summarize()
"""


def generate(folder, images, per_image, categories=80, truths=36400, seed=1):
    """Truth with COCO's mix of sizes; detections near truth and noise, scores with six decimals."""
    rng = random.Random(seed)
    gt_path, dt_path = folder / "gt.json", folder / "dt.json"

    def box():
        side = 2 ** rng.uniform(3, 9)
        return [round(rng.uniform(0, 500), 2), round(rng.uniform(0, 400), 2), round(side, 2),
                round(side * 2 ** rng.uniform(-1, 1), 2)]

    boxes = [[] for _ in range(images)]
    annotations = []
    for i in range(truths):
        image, b = rng.randrange(images), box()
        boxes[image].append((b, rng.randrange(categories) + 1))
        annotations.append({"id": i + 1, "image_id": image + 1, "category_id": boxes[image][-1][1], "bbox": b,
                            "area": round(b[2] * b[3] * rng.uniform(0.5, 1), 2), "iscrowd": int(rng.random() < 0.013)})
    gt_path.write_text(json.dumps({"images": [{"id": i + 1, "file_name": "%012d.jpg" % i} for i in range(images)],
                                   "categories": [{"id": k + 1, "name": "category %d" % (k + 1)} for k in range(categories)],
                                   "annotations": annotations}))
    with open(dt_path, "w") as out:
        out.write("[")
        for image in range(images):
            for n in range(per_image):
                if boxes[image] and rng.random() < 0.3:
                    b, category = rng.choice(boxes[image])
                    b = [v + rng.gauss(0, 0.1) * b[2] for v in b[:2]] + [v * 2 ** rng.gauss(0, 0.2) for v in b[2:]]
                else:
                    b, category = box(), rng.randrange(categories) + 1
                out.write("%s%s" % (", " if image or n else "", json.dumps(
                    {"image_id": image + 1, "category_id": category, "bbox": b, "score": rng.random()})))
        out.write("]")
    return gt_path, dt_path


def measure(command, environment):
    start = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execvpe(command[0], command, environment)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise SystemExit("failed: " + " ".join(command[:3]))
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assay")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--per-image", type=int, default=100)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--folder", help="keep the generated files here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        gt, dt = folder / "gt.json", folder / "dt.json"
        if not dt.exists():
            gt, dt = generate(folder, options.images, options.per_image)
        commands = {"assay": [options.assay, "eval", "detections", "--annotations", str(gt), "--detections", str(dt),
                              "--threads", str(options.threads)]}
        for name in filter(None, options.peers.split(",")):
            iou_type = "iouType='bbox'" if name != "hotcoco" else "'bbox'"
            commands[name] = [sys.executable, "-c", SCRIPT.format(imports=PEERS[name], iou_type=iou_type), str(gt), str(dt)]
        threads = str(options.threads)
        environment = dict(os.environ, RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads)
        best = {}
        for _ in range(options.rounds):
            for name, command in commands.items():
                figures = measure(command, environment)
                best[name] = tuple(map(min, figures, best.get(name, figures)))
        print("minimum of %d rounds, %d threads, %.1f MB of results" % (options.rounds, options.threads, dt.stat().st_size / 1e6))
        for name, (wall, cpu, memory) in best.items():
            print("%-24s %7.3f s wall %7.3f s cpu %8.1f MB peak" % (name, wall, cpu, memory))


if __name__ == "__main__":
    main()
