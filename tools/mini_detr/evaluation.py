"""COCO's figures of a model on drawn scenes, by pycocotools."""
import contextlib
import io
import json
import pathlib

import numpy as np
import torch

from .model import CATEGORIES, SIDE


def detections(detect, pixels, ids, batch=100):
    """What DETR's post-processing gives: of each query the best class, its probability and its box in pixels."""
    found = []
    for start in range(0, len(pixels), batch):
        logits, boxes = detect(pixels[start:start + batch])
        scores, labels = logits.float().softmax(-1)[..., :-1].max(-1)
        centre, size = boxes[..., :2].float(), boxes[..., 2:].float()
        boxes = torch.cat((centre - size / 2, size), dim=-1) * SIDE
        for i, (s, l, b) in enumerate(zip(scores.tolist(), labels.tolist(), boxes.tolist())):
            found += [{"image_id": ids[start + i], "category_id": c, "bbox": box, "score": score}
                      for score, c, box in zip(s, l, b)]
    return found


def average_precision(annotations, found):
    """{"AP", "AP50", "AP75", "small", "medium", "large", "categories": {name: AP}}, of 0 to 100."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(pathlib.Path(annotations).read_text())
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    names = ["AP", "AP50", "AP75", "small", "medium", "large"]
    result = {n: round(float(100 * evaluation.stats[i]), 2) for i, n in enumerate(names)}
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, categories
    result["categories"] = {name: round(float(100 * np.mean(precision[:, :, i][precision[:, :, i] > -1])), 2)
                            for i, name in enumerate(CATEGORIES)}
    return result
