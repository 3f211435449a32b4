"""pycocotools on two JSON files: its twelve figures and AP per category, or the arrays that it accumulates at other settings."""
import contextlib
import io
import typing

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FIGURES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


class Settings(typing.NamedTuple):
    """What assay takes as --max-dets, --areas and --iou-thresholds; areas come beside "all"."""
    max_dets: list
    areas: list  # (name, least, most)
    thresholds: list

    def options(self):
        return ["--max-dets", ",".join(map(str, self.max_dets)), "--areas", ",".join("%s:%r:%r" % area for area in self.areas),
                "--iou-thresholds", ",".join(map(repr, self.thresholds))]


SETTINGS = {
    "one_of_each": Settings([7], [("rest", 0, 1e10)], [0.5]),
    "many_limits": Settings([300, 1, 2, 100, 5], [("tiny", 0, 256), ("edge", 1024, 1024)], [0.1, 0.5, 0.75, 1.0]),
    "two_limits": Settings([3, 50], [("little", 0, 1024), ("huge", 1e4, 1e5), ("none", 3e9, 4e9)], [0.75, 0.3, 0.5]),
    "close_thresholds": Settings([100], [("all_but_tiny", 16.5, 1e10)], [i / 64 for i in range(1, 65)]),
}


def run(annotations, detections, settings=None):
    """COCOeval after evaluate and accumulate, or the exception's text."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        try:
            gt = COCO(annotations)
            coco = COCOeval(gt, gt.loadRes(detections), "bbox")
            if settings:
                coco.params.maxDets = list(settings.max_dets)
                coco.params.iouThrs = np.array(settings.thresholds)
                coco.params.areaRng = [[0, 1e10]] + [[least, most] for _, least, most in settings.areas]
                coco.params.areaRngLbl = ["all"] + [name for name, _, _ in settings.areas]
            coco.evaluate()
            coco.accumulate()
            return coco
        except Exception as error:  # whatever it dies of
            return "%s: %s" % (type(error).__name__, error)


def mean(values):
    """As COCOeval.summarize takes it."""
    values = values[values > -1]
    return float(np.mean(values)) if values.size else -1.0


def evaluate(annotations, detections):
    """Returns (figures by name, [(category id, AP)]) or the exception's text."""
    coco = run(annotations, detections)
    if isinstance(coco, str):
        return coco
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        coco.summarize()
    categories = [(category, mean(coco.eval["precision"][:, :, k, 0, -1])) for k, category in enumerate(coco.params.catIds)]
    return {name: float(value) for name, value in zip(FIGURES, coco.stats)}, categories


def figures(coco, settings):
    """What assay prints of the arrays, under the keys of its JSON; precision is that at the largest limit."""
    precision, recall = coco.eval["precision"][..., -1], coco.eval["recall"]
    answer = {"AP": mean(precision[..., 0])}
    for name, threshold in ("AP50", 0.5), ("AP75", 0.75):
        answer[name] = mean(precision[np.equal(settings.thresholds, threshold), ..., 0])
    for m, limit in enumerate(sorted(settings.max_dets)):
        answer["AR%d" % limit] = mean(recall[..., 0, m])
    for a, (name, _, _) in enumerate(settings.areas, 1):
        answer["AP_" + name], answer["AR_" + name] = mean(precision[..., a]), mean(recall[..., a, -1])
    return answer


def category_figures(coco, settings):
    """The like for each category that has truth, as in assay's per_category."""
    precision, recall = coco.eval["precision"][..., -1], coco.eval["recall"]
    answers = []
    for k, _ in enumerate(coco.params.catIds):
        if mean(precision[:, :, k, 0]) == -1:
            continue
        answer = {"AP": mean(precision[:, :, k, 0]), "AR": mean(recall[:, k, 0, -1])}
        answer.update(("AP_" + name, mean(precision[:, :, k, a])) for a, (name, _, _) in enumerate(settings.areas, 1))
        answers.append(answer)
    return answers
