"""Hostile COCO inputs: named cases for the goldens, and random ones from a seed.

Every case is (name, annotations, detections); both are JSON text as Python's json writes them.
"""
import json
import random


def truth(images, categories, annotations, **more):
    return {"images": images, "categories": categories, "annotations": annotations, **more}


def base(rng, num_images=6, num_categories=3, boxes=4, detections=12, grid=8):
    """A small problem with many ties: coordinates on a grid, scores from few values."""
    images = [{"id": 10 * i + 1} for i in range(num_images)]
    categories = [{"id": 2 * k + 1, "name": "c%d" % k} for k in range(num_categories)]
    annotations, results = [], []
    sizes = [4, 8, 16, 32, 33, 64, 96, 97, 128, 200]

    def box():
        return [rng.randrange(10) * grid, rng.randrange(10) * grid, rng.choice(sizes), rng.choice(sizes)]

    for image in images:
        for _ in range(rng.randrange(boxes + 1)):
            b = box()
            annotations.append({"id": len(annotations) + 1, "image_id": image["id"],
                                "category_id": rng.choice(categories)["id"], "bbox": b,
                                "area": b[2] * b[3] * rng.choice([1, 1, 0.7]),
                                "iscrowd": int(rng.random() < 0.15)})
        for _ in range(rng.randrange(detections + 1)):
            near = [a for a in annotations if a["image_id"] == image["id"]]
            if near and rng.random() < 0.7:
                a = rng.choice(near)
                b = [v + rng.choice([0, 0, 1, -1, 2, 0.5, 0.1]) * rng.random() ** rng.randrange(2) for v in a["bbox"]]
                category = a["category_id"] if rng.random() < 0.8 else rng.choice(categories)["id"]
            else:
                b, category = box(), rng.choice(categories)["id"]
            results.append({"image_id": image["id"], "category_id": category, "bbox": b,
                            "score": rng.choice([0.1, 0.5, 0.9, rng.random(), rng.random()])})
    if not results:
        results.append({"image_id": images[0]["id"], "category_id": 1, "bbox": box(), "score": 0.5})
    return truth(images, categories, annotations), results


def remap(gt, dt, kind, mapping):
    key = kind + "_id"
    for entry in gt["images" if kind == "image" else "categories"]:
        entry["id"] = mapping(entry["id"])
    for record in gt["annotations"] + dt:
        record[key] = mapping(record[key])


def numbers(value):
    return lambda rng, gt, dt: [d.__setitem__("score", value(rng)) for d in dt]


def ids_of_annotations(value):
    def change(rng, gt, dt):
        for i, a in enumerate(gt["annotations"]):
            a["id"] = value(rng, i, a["id"])
    return change


def for_some(rng, records, share, action):
    for record in records:
        if rng.random() < share:
            action(record)


def scale(rng, gt, dt):
    """Boxes with noise in the last places, so that rounding shows."""
    for record in gt["annotations"] + dt:
        record["bbox"] = [v * 1.0000000123 + rng.random() for v in record["bbox"]]


def crowds(rng, gt, dt):
    for_some(rng, gt["annotations"], 0.5, lambda a: a.__setitem__("iscrowd", rng.choice([1, True, 2, 0.5])))


def many(rng, gt, dt):
    image = gt["images"][0]["id"]
    dt.extend({"image_id": image, "category_id": 1, "bbox": [rng.randrange(99), rng.randrange(99), 20, 20.5],
               "score": rng.choice([0.5, rng.random()])} for _ in range(250))


def bad_boxes(values):
    def change(rng, gt, dt):
        def spoil(record):
            record["bbox"][rng.randrange(4)] = rng.choice(values)
        for_some(rng, dt, 0.3, spoil)
        for_some(rng, gt["annotations"], 0.15, spoil)
    return change


def listed_twice(rng, gt, dt):
    gt["images"].append(dict(gt["images"][0]))
    gt["categories"].append({"id": gt["categories"][0]["id"], "name": "again"})
    rng.shuffle(gt["images"])


def strangers(rng, gt, dt):
    for i, a in enumerate(list(gt["annotations"])):
        gt["annotations"].append(dict(a, id=1000 + i, **rng.choice([{"image_id": 7777}, {"category_id": 7777}])))
    dt.extend({"image_id": gt["images"][0]["id"], "category_id": 7777, "bbox": [1, 2, 3, 4], "score": 1} for _ in "ab")


def unused_incomplete(rng, gt, dt):
    gt["annotations"].append({"id": 999, "image_id": 7777, "category_id": 1})


def extra_keys(rng, gt, dt):
    for record in gt["annotations"] + dt:
        record["segmentation"] = [[1, 2, 3], {"a": "}, {"}]
        record["text"] = 'quote \\" } , { [ ]'
        record["ignore"] = rng.randrange(2)


def drop(what):
    def change(rng, gt, dt):
        gt[what] = gt[what][:0]
    return change


def without_truth_in(rng, gt, dt):
    gt["annotations"] = [a for a in gt["annotations"] if a["category_id"] != 1]


def without_detections_in(rng, gt, dt):
    dt[:] = [d for d in dt if d["category_id"] != 3] or dt[:1]


def swap_last(rng, gt, dt):
    """Ids repeated across images and categories: the last annotation stands in for the earlier."""
    for a in gt["annotations"]:
        a["id"] = rng.randrange(1, 6)


def area(value):
    return lambda rng, gt, dt: [a.__setitem__("area", value(rng)) for a in gt["annotations"]]


big = 2 ** 53
CHANGES = {
    "plain": lambda rng, gt, dt: None,
    "rounding": scale,
    "ties_all_equal": numbers(lambda rng: 0.5),
    "score_int": numbers(lambda rng: rng.randrange(4)),
    "score_negative": numbers(lambda rng: -rng.random()),
    "score_int_and_float": numbers(lambda rng: rng.choice([0, 1, 0.5, 1.0, True])),
    "score_int_big": numbers(lambda rng: big + rng.randrange(6)),
    "score_int_big_negative": numbers(lambda rng: -big - rng.randrange(6)),
    "score_int_big_and_float": numbers(lambda rng: rng.choice([big + rng.randrange(6), big + 2.0, 0.5])),
    "score_int_uint64": numbers(lambda rng: 2 ** 63 + rng.randrange(4000)),
    "score_int_uint64_mixed": numbers(lambda rng: rng.choice([0, 2 ** 63 + rng.randrange(4000), 2 ** 62 + rng.randrange(9)])),
    "score_int_huge": numbers(lambda rng: 2 ** 70 + rng.randrange(6)),
    "score_int_huge_mixed": numbers(lambda rng: rng.choice([2 ** 70 + rng.randrange(6), 5, 0.5, big + 1, 2 ** 63])),
    "score_nan": lambda rng, gt, dt: for_some(rng, dt, 0.3, lambda d: d.__setitem__("score", float("nan"))),
    "score_all_nan": numbers(lambda rng: float("nan")),
    "score_inf": numbers(lambda rng: rng.choice([float("inf"), float("-inf"), 0.5, float("nan")])),
    "score_huge_exponent": numbers(lambda rng: rng.choice([1e308, 1e-320, 5e-324, 0.0, -0.0])),
    "box_nan": bad_boxes([float("nan")]),
    "box_inf": bad_boxes([float("inf"), float("-inf")]),
    "box_nan_inf_huge": bad_boxes([float("inf"), float("nan"), 1e308, -1e308, 1e200]),
    "box_negative": bad_boxes([-5, -50.5]),
    "box_zero": bad_boxes([0, 0.0]),
    "gt_id_zero": ids_of_annotations(lambda rng, i, old: i),
    "gt_id_zero_real": ids_of_annotations(lambda rng, i, old: i * 1.0),
    "gt_id_negative": ids_of_annotations(lambda rng, i, old: -old),
    "gt_id_fraction": ids_of_annotations(lambda rng, i, old: old + 0.5),
    "gt_id_huge": ids_of_annotations(lambda rng, i, old: 2 ** 80 + old),
    "gt_id_digits": ids_of_annotations(lambda rng, i, old: str(i)),
    "gt_id_duplicate": swap_last,
    "gt_id_duplicate_all": ids_of_annotations(lambda rng, i, old: 7),
    "image_id_negative": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: 20 - v),
    "image_id_int64": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: 2 ** 63 - v),
    "image_id_uint64": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: 2 ** 63 + v),
    "image_id_uint64_mixed": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: v if v < 30 else 2 ** 63 + (v % 2) * 2048 + v // 40),
    "image_id_huge": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: 2 ** 70 - v if v % 3 else -2 ** 70 - v),
    "image_id_huge_mixed": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: v if v < 30 else 2 ** 64 + v),
    "image_id_string": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: "img%d\u00e9\U0001F600" % v),
    "image_id_fraction": lambda rng, gt, dt: remap(gt, dt, "image", lambda v: v + 0.5 if v < 30 else v),
    "image_id_real": lambda rng, gt, dt: [d.__setitem__("image_id", float(d["image_id"])) for d in dt],
    "category_id_string": lambda rng, gt, dt: remap(gt, dt, "category", lambda v: "cat%d" % v),
    "category_id_negative": lambda rng, gt, dt: remap(gt, dt, "category", lambda v: -v),
    "category_id_uint64_mixed": lambda rng, gt, dt: remap(gt, dt, "category", lambda v: v if v < 3 else 2 ** 63 + v),
    "listed_twice": listed_twice,
    "strangers": strangers,
    "unused_incomplete": unused_incomplete,
    "extra_keys": extra_keys,
    "crowds": crowds,
    "over_100": many,
    "area_edges": area(lambda rng: rng.choice([0, 1023.9999, 1024, 1024.0000001, 9216, 9216.5, 1e10, 1e10 + 1, -1])),
    "area_nan": area(lambda rng: rng.choice([float("nan"), float("inf"), 100])),
    "area_int_huge": area(lambda rng: rng.choice([10 ** 30, 5000])),
    "no_annotations": drop("annotations"),
    "no_categories": drop("categories"),
    "no_truth_in_category": without_truth_in,
    "no_detections_in_category": without_detections_in,
    "shuffled": lambda rng, gt, dt: (rng.shuffle(gt["annotations"]), rng.shuffle(dt), rng.shuffle(gt["images"])),
}


def case(name, seed):
    rng = random.Random("%s/%d" % (name, seed))
    gt, dt = base(rng, num_images=rng.choice([1, 3, 6, 12]), boxes=rng.choice([2, 4, 9]))
    CHANGES[name](rng, gt, dt)
    return json.dumps(gt), json.dumps(dt, indent=rng.choice([None, None, 1]))


def random_case(seed):
    """Several changes at once. Some combinations cannot be evaluated by pycocotools; the caller decides."""
    rng = random.Random("random/%d" % seed)
    gt, dt = base(rng, num_images=rng.choice([1, 5, 20, 40]), boxes=rng.choice([2, 6, 15]), detections=rng.choice([3, 20, 60]))
    chosen = rng.sample(sorted(CHANGES), rng.randrange(1, 4))
    for name in chosen:
        try:
            CHANGES[name](rng, gt, dt)
        except (KeyError, TypeError):
            pass  # changes that exclude each other
    return "+".join(chosen), json.dumps(gt), json.dumps(dt)


def has_an_order(detections):
    """False where an integer beyond 64 bits stands beside NaN: numpy then sorts Python objects, and NaN neither before nor behind
    anything makes of its order an accident of the algorithm."""
    scores = [detection["score"] for detection in json.loads(detections)]
    huge = any(isinstance(score, int) and not -2 ** 63 <= score < 2 ** 64 for score in scores)
    return not (huge and any(score != score for score in scores))
