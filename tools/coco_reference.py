"""pycocotools on two JSON files: the twelve figures and AP per category, or None where it fails."""
import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FIGURES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def evaluate(annotations, detections):
    """Returns (figures by name, [(category id, AP)]) or the exception's text."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        try:
            gt = COCO(annotations)
            run = COCOeval(gt, gt.loadRes(detections), "bbox")
            run.evaluate()
            run.accumulate()
            run.summarize()
        except Exception as error:  # whatever it dies of
            return "%s: %s" % (type(error).__name__, error)
    categories = []
    for k, category in enumerate(run.params.catIds):
        precision = run.eval["precision"][:, :, k, 0, -1]
        precision = precision[precision > -1]
        categories.append((category, float(np.mean(precision)) if precision.size else -1.0))
    return {name: float(value) for name, value in zip(FIGURES, run.stats)}, categories
