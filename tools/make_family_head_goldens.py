#!/usr/bin/env python3
"""Makes tests/goldens/heads/families.json: random output tensors and the boxes that each family's own code makes of them.

    pip install torch==2.10.0 torchvision==0.25.0 transformers==5.24.0 ultralytics==8.3.200 opencv-python-headless pyyaml
    git clone https://github.com/RangiLyu/nanodet; git clone https://github.com/dog-qiuqiu/FastestDet
    git clone https://github.com/ultralytics/yolov5
    python tools/make_family_head_goldens.py tests/goldens/heads nanodet FastestDet yolov5
"""
import ast
import json
import sys
import time
from pathlib import Path

import torch
import torchvision

WIDTH, HEIGHT, CLASSES = 96, 64, 3


def floats(tensor):
    return [float(f"{value:.7g}") for value in tensor.reshape(-1).tolist()]


def rounded(tensor):
    """What the JSON will say, so that the reference computes on the same numbers."""
    return torch.tensor(floats(tensor), dtype=torch.float32).reshape(tensor.shape)


def case(head, outputs, boxes, scores, classes, threshold, iou, **options):
    order = torch.sort(scores, descending=True, stable=True)[1]
    return {
        "head": head, "score_threshold": threshold, "iou_threshold": iou,
        "outputs": [{"name": name, "shape": list(values.shape), "values": floats(values)} for name, values in outputs],
        "boxes": floats(boxes[order]), "scores": floats(scores[order]), "classes": classes[order].int().tolist(), **options,
    }


def random_table(rows, generator, columns_before):
    """Boxes all over the input in pixels, then probabilities, most of them small."""
    centers = torch.rand((rows, 2), generator=generator) * torch.tensor([WIDTH, HEIGHT])
    sizes = torch.rand((rows, 2), generator=generator) * 40 + 3
    scores = torch.rand((rows, columns_before + CLASSES), generator=generator) ** 3
    return rounded(torch.cat([centers, sizes, scores], 1))


def yolov8_case(generator):
    from ultralytics.utils.nms import non_max_suppression

    table = random_table(96 * 64 // 64 + 96 * 64 // 256 + 96 * 64 // 1024, generator, 0)
    output = table.T[None].contiguous()
    for multi_label in [True, False]:
        found = non_max_suppression(output.clone(), 0.1, 0.5, multi_label=multi_label, max_det=300, max_time_img=60)[0]
        clipped = clip(found[:, :4])
        yield case("yolov8", [("o", output)], clipped, found[:, 4], found[:, 5], 0.1, 0.5, multi_label=multi_label, max_detections=300)


def clip(boxes):
    return torch.stack([boxes[:, 0].clamp(0, WIDTH), boxes[:, 1].clamp(0, HEIGHT), boxes[:, 2].clamp(0, WIDTH), boxes[:, 3].clamp(0, HEIGHT)], 1)


def function_of(path, name, namespace):
    """One function of a module whose imports we do not have."""
    tree = ast.parse(path.read_text())
    nodes = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    exec(compile(ast.Module(nodes, []), str(path), "exec"), namespace)
    return namespace[name]


def yolov5_case(generator, yolov5):
    from ultralytics.utils.ops import xywh2xyxy  # where yolov5 takes it from

    namespace = {"torch": torch, "torchvision": torchvision, "time": time, "LOGGER": None, "box_iou": torchvision.ops.box_iou, "xywh2xyxy": xywh2xyxy, "np": __import__("numpy")}
    suppress = function_of(yolov5 / "utils/general.py", "non_max_suppression", namespace)
    table = random_table(3 * 126, generator, 1)
    for multi_label in [True, False]:
        found = suppress(table[None].clone(), 0.1, 0.5, multi_label=multi_label, max_det=300)[0]
        yield case("yolov5", [("o", table[None])], clip(found[:, :4]), found[:, 4], found[:, 5], 0.1, 0.5, multi_label=multi_label, max_detections=300)


def nanodet_case(generator, nanodet):
    sys.path.insert(0, str(nanodet))
    from nanodet.model.module.nms import multiclass_nms

    distance2bbox = function_of(nanodet / "nanodet/util/box_transform.py", "distance2bbox", {"torch": torch})
    for plus in [True, False]:
        points = []
        for stride in [8, 16, 32, 64] if plus else [8, 16, 32]:
            rows, columns = -(-HEIGHT // stride), -(-WIDTH // stride)
            shift = 0 if plus else 0.5  # get_single_level_center_priors and get_single_level_center_point
            y, x = torch.meshgrid((torch.arange(rows) + shift) * stride, (torch.arange(columns) + shift) * stride, indexing="ij")
            points.append(torch.stack([x.flatten(), y.flatten(), torch.full((rows * columns,), float(stride))], 1))
        points = torch.cat(points)
        scores = rounded(torch.rand((len(points), CLASSES), generator=generator) ** 3)
        logits = rounded(torch.randn((len(points), 32), generator=generator) * 3)
        # Integral in gfl_head.py.
        distance = torch.softmax(logits.reshape(-1, 4, 8), -1) @ torch.arange(8.0) * points[:, 2:]
        boxes = distance2bbox(points[:, :2], distance, max_shape=(HEIGHT, WIDTH))
        padded = torch.cat([scores, torch.zeros((len(points), 1))], 1)
        found, labels = multiclass_nms(boxes, padded, 0.05, dict(type="nms", iou_threshold=0.6), 100)
        yield case("nanodet", [("o", torch.cat([scores, logits], 1)[None])], found[:, :4], found[:, 4], labels, 0.05, 0.6, max_detections=100)


def fastestdet_case(generator, fastestdet):
    sys.path.insert(0, str(fastestdet))
    from utils.tool import handle_preds

    rows, columns = HEIGHT // 16, WIDTH // 16
    objectness = torch.rand((1, 1, rows, columns), generator=generator)
    box = torch.randn((1, 4, rows, columns), generator=generator)
    classes = torch.softmax(torch.randn((1, CLASSES, rows, columns), generator=generator) * 2, 1)
    output = rounded(torch.cat([objectness, box, classes], 1))
    found = handle_preds(output, "cpu", 0.1, 0.45)[0]
    boxes = found[:, :4] * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    yield case("fastestdet", [("o", output)], boxes, found[:, 4], found[:, 5], 0.1, 0.45)


def detr_case(generator):
    from transformers import DetrImageProcessor, RTDetrImageProcessor

    class Outputs:
        pass

    for head, processor, columns in [("detr", DetrImageProcessor(), CLASSES + 2), ("rt-detr", RTDetrImageProcessor(), CLASSES + 2)]:
        outputs = Outputs()
        outputs.logits = rounded(torch.randn((1, 20, columns), generator=generator) * 3)
        outputs.pred_boxes = rounded(torch.rand((1, 20, 4), generator=generator))
        found = processor.post_process_object_detection(outputs, threshold=0.2, target_sizes=[(HEIGHT, WIDTH)])[0]
        yield case(head, [("logits", outputs.logits), ("pred_boxes", outputs.pred_boxes)], found["boxes"], found["scores"], found["labels"], 0.2, 0.5)


def main():
    out, nanodet, fastestdet, yolov5 = map(Path, sys.argv[1:5])
    generator = torch.Generator().manual_seed(11)
    cases = [*yolov8_case(generator), *yolov5_case(generator, yolov5), *nanodet_case(generator, nanodet),
             *fastestdet_case(generator, fastestdet), *detr_case(generator)]
    (out / "families.json").write_text(json.dumps({"width": WIDTH, "height": HEIGHT, "cases": cases}) + "\n")
    for item in cases:
        print(item["head"], len(item["scores"]), "detections")


main()
