#!/usr/bin/env python3
"""Makes tests/goldens/heads: what torchvision suppresses, and what YOLOX makes of its outputs on a real picture.

    pip install torch==2.10.0 torchvision==0.25.0 ai-edge-litert==2.3.0 opencv-python-headless==4.10.0.84
    python tools/make_head_goldens.py ../shared/data tests/goldens/heads
"""
import json
import sys
from pathlib import Path

import cv2
import numpy
import torch
import torchvision
from ai_edge_litert.interpreter import Interpreter

PICTURE = "000000000785.jpg"


def floats(tensor):
    return [float(f"{value:.9g}") for value in tensor.reshape(-1).tolist()]


def random_candidates(count, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand((count, 2), generator=generator) * 300
    size = torch.rand((count, 2), generator=generator) * 120 + 2
    scores = (torch.rand(count, generator=generator) * 500).round() / 500  # with ties
    classes = torch.randint(0, 80, (count,), generator=generator) % 7 * 11
    return torch.cat([corner, corner + size], 1), scores, classes


def suppression(name, boxes, scores, classes, threshold):
    if name == "torchvision":
        return torchvision.ops.batched_nms(boxes, scores, classes, threshold)
    if name == "ultralytics":  # utils/ops.py, non_max_suppression
        return torchvision.ops.nms(boxes + classes[:, None] * 7680, scores, threshold)
    # nanodet/model/module/nms.py, batched_nms
    return torchvision.ops.nms(boxes + (classes.to(boxes) * (boxes.max() + 1))[:, None], scores, threshold)


def nms_cases():
    for count, seed in [(1, 1), (60, 2), (400, 3), (1000, 4), (1001, 5)]:
        boxes, scores, classes = random_candidates(count, seed)
        for name in ["torchvision", "ultralytics", "nanodet"]:
            for threshold in [0.45, 0.65]:
                kept = suppression(name, boxes, scores, classes, threshold)
                yield {"separation": name, "seed": seed, "threshold": threshold, "kept": kept.tolist()}


def yolox_postprocess(prediction, confidence=0.01, threshold=0.65):
    """yolox/utils/boxes.py, postprocess, for one picture."""
    corners = prediction.clone()
    corners[:, 0] = prediction[:, 0] - prediction[:, 2] / 2
    corners[:, 1] = prediction[:, 1] - prediction[:, 3] / 2
    corners[:, 2] = prediction[:, 0] + prediction[:, 2] / 2
    corners[:, 3] = prediction[:, 1] + prediction[:, 3] / 2
    class_conf, class_pred = torch.max(corners[:, 5:], 1)
    score = corners[:, 4] * class_conf
    mask = score >= confidence
    boxes, score, class_pred = corners[mask, :4], score[mask], class_pred[mask]
    kept = torchvision.ops.batched_nms(boxes, score, class_pred, threshold)
    return boxes[kept], score[kept], class_pred[kept]


def yolox_case(data):
    interpreter = Interpreter(str(data / "models/yolox_nano/yolox_nano.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    picture = cv2.imread(str(data / "coco/val2017" / PICTURE))
    height, width = picture.shape[:2]
    ratio = min(416 / height, 416 / width)
    padded = numpy.full((416, 416, 3), 114, numpy.uint8)
    resized = cv2.resize(picture, (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
    padded[: resized.shape[0], : resized.shape[1]] = resized
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], padded[None].astype(numpy.float32))
    interpreter.invoke()
    output = torch.from_numpy(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].copy())
    boxes, scores, classes = yolox_postprocess(output)
    boxes = boxes / ratio
    # Rows that can not be detected are left out; the test fills them with zeros.
    rows = torch.nonzero(output[:, 4] * output[:, 5:].max(1)[0] >= 0.005).reshape(-1)
    return {
        "picture": PICTURE, "width": width, "height": height, "rows": rows.tolist(),
        "values": [floats(output[row]) for row in rows], "boxes": [floats(box) for box in boxes],
        "scores": floats(scores), "classes": classes.tolist(),
    }


def main():
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    inputs = {}
    for count, seed in [(1, 1), (60, 2), (400, 3), (1000, 4), (1001, 5)]:
        boxes, scores, classes = random_candidates(count, seed)
        inputs[str(seed)] = {"boxes": floats(boxes), "scores": floats(scores), "classes": classes.tolist()}
    (out / "nms.json").write_text(json.dumps({"inputs": inputs, "cases": list(nms_cases())}) + "\n")
    (out / "yolox.json").write_text(json.dumps(yolox_case(data)) + "\n")
    (out / "PROVENANCE.md").write_text(
        "# What the references make of boxes\n\n"
        f"Made by `python tools/make_head_goldens.py ../shared/data tests/goldens/heads` with torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, ai-edge-litert 2.3.0, OpenCV {cv2.__version__}.\n\n"
        "| file | what | made by |\n|---|---|---|\n"
        "| nms.json | random boxes, seeded in the script, and the positions that survive | torchvision's `batched_nms` and "
        "`nms`, the latter with the class offsets of ultralytics and NanoDet |\n"
        f"| yolox.json | the rows of YOLOX-Nano's output on COCO val2017's {PICTURE} that matter, and its detections | "
        "LiteRT on `models/yolox_nano` (Apache-2.0); the steps of `yolox/utils/boxes.py` |\n"
        "| families.json | random outputs for an input of 96x64, and their detections | `tools/make_family_head_goldens.py`, "
        "which runs transformers 5.24.0 (DETR, RT-DETR), ultralytics 8.3.200 (YOLOv8), and code of yolov5 at 5081342, "
        "nanodet at be9b4a9, FastestDet at 50473cd |\n\n"
        "The picture itself is not in here, only numbers that the network computed from it.\n")


main()
