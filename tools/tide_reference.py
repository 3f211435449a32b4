"""tidecv on COCO's two files, boxes only: AP50, the cost of each kind of mistake (fractions, not percent) and its count."""
import json

from tidecv import TIDE, Data

# assay's names for tidecv's
MAIN = {"class": "Cls", "localization": "Loc", "both": "Both", "duplicate": "Dupe", "background": "Bkg", "missed": "Miss"}
SPECIAL = {"false_positives": "FalsePos", "false_negatives": "FalseNeg"}


def evaluate(annotations, detections):
    """Returns {"AP50": ..., kind: {"count": ..., "cost": ...}}; tidecv does not count its special errors."""
    truth, found = Data("truth"), Data("found")
    file = json.loads(annotations)
    for image in file["images"]:
        truth.add_image(image["id"], str(image["id"]))
    for category in file["categories"]:
        truth.add_class(category["id"], category["name"])
    for box in file["annotations"]:
        add = truth.add_ignore_region if box["iscrowd"] else truth.add_ground_truth
        add(box["image_id"], box["category_id"], box["bbox"])
    for box in json.loads(detections):
        found.add_detection(box["image_id"], box["category_id"], box["score"], box["bbox"])
    tide = TIDE()
    run = tide.evaluate(truth, found, mode=TIDE.BOX)
    costs = tide.get_all_errors()
    counts = {kind.short_name: count for kind, count in run.count_errors().items()}
    answer = {"AP50": run.ap / 100}
    for name, short in MAIN.items():
        answer[name] = {"count": counts[short], "cost": costs["main"]["found"][short] / 100}
    for name, short in SPECIAL.items():
        answer[name] = {"cost": costs["special"]["found"][short] / 100}
    return answer
