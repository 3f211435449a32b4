#!/usr/bin/env python3
"""Makes tests/goldens/heads/blazeface.json: outputs of MediaPipe's face detectors on pictures, and the boxes that
MediaPipe itself finds there; and tests/goldens/image/warp_*.png with warp.json: what OpenCV's warpPerspective makes of a picture.

    pip install mediapipe==0.10.21 ai-edge-litert pillow
    assay fetch faces
    python tools/make_blazeface_goldens.py ~/.cache/assay/models/faces tests/goldens

The network is run here by LiteRT, on an input made as image_to_tensor_converter_opencv.cc makes it, since MediaPipe's Python
interface does not show tensors; both run the same file, but not the same build of its kernels.
"""
import json
import os
import sys
from pathlib import Path

os.environ["GLOG_minloglevel"] = "2"
import cv2
import mediapipe
import numpy
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

PICTURES = ["t1.jpg", "astronaut.png", "zidane.jpg", "multi_face.jpg", "grace_hopper.jpg", "single_face.jpg"]
MODELS = Path(mediapipe.__file__).parent / "modules/face_detection"
# File, side of the input, MediaPipe's model_selection, and the threshold that its graph sets; the one given to Python is ignored.
RANGES = [("face_detection_short_range.tflite", 128, 0, 0.5), ("face_detection_full_range_sparse.tflite", 192, 1, 0.6)]


def warped(pixels, side):
    """image_to_tensor_converter_opencv.cc with keep_aspect_ratio and BORDER_ZERO."""
    height, width = pixels.shape[:2]
    longest = max(width, height)
    center = (0.5 * width, 0.5 * height)
    corners = cv2.boxPoints((center, (longest, longest), 0.0))
    target = numpy.array([[0, side], [0, 0], [side, 0], [side, side]], numpy.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(numpy.float32), target)
    return cv2.warpPerspective(pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def outputs_for(pixels, model, side):
    network = Interpreter(str(MODELS / model), num_threads=1)
    network.allocate_tensors()
    network.set_tensor(network.get_input_details()[0]["index"], (warped(pixels, side).astype(numpy.float32) * (2 / 255) - 1)[None])
    network.invoke()
    by_columns = {detail["shape"][2]: network.get_tensor(detail["index"])[0] for detail in network.get_output_details()}
    return by_columns[16], by_columns[1][:, 0]


def found_by_mediapipe(pixels, selection, threshold):
    with mediapipe.solutions.face_detection.FaceDetection(model_selection=selection, min_detection_confidence=threshold) as detector:
        detections = detector.process(pixels).detections or []
    boxes, scores = [], []
    for detection in detections:
        box = detection.location_data.relative_bounding_box
        boxes.append([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height])
        scores.append(detection.score[0])
    return boxes, scores


def main():
    faces, goldens = Path(sys.argv[1]), Path(sys.argv[2])
    cases = []
    for model, side, selection, threshold in RANGES:
        for name in PICTURES:
            pixels = numpy.array(Image.open(faces / name).convert("RGB"))
            regressors, logits = outputs_for(pixels, model, side)
            rows = [int(row) for row in numpy.flatnonzero(logits > -1)]
            boxes, scores = found_by_mediapipe(pixels, selection, threshold)
            cases.append({
                "picture": name, "width": pixels.shape[1], "height": pixels.shape[0], "side": side, "anchors": len(logits),
                "threshold": threshold, "rows": rows, "logits": [float(f"{logits[row]:.8g}") for row in rows],
                "regressors": [[float(f"{value:.8g}") for value in regressors[row][:4]] for row in rows],
                "boxes": boxes, "scores": scores,
            })
            print(name, side, len(scores), "detections of", len(rows), "rows", [round(s, 3) for s in scores])
    (goldens / "heads/blazeface.json").write_text(json.dumps({"mediapipe": mediapipe.__version__, "cases": cases}) + "\n")
    source = numpy.array(Image.open(goldens / "image/plain.png").convert("RGB"))
    list_of_warps = []
    for width, height, side in [(source.shape[1], source.shape[0], 16), (source.shape[1], source.shape[0], 33), (21, source.shape[0], 24), (source.shape[1], 9, 48)]:
        part = numpy.ascontiguousarray(source[:height, :width])
        name = f"warp_{part.shape[1]}x{part.shape[0]}_{side}.png"
        Image.fromarray(warped(part, side)).save(goldens / "image" / name)
        list_of_warps.append({"file": name, "width": part.shape[1], "height": part.shape[0], "side": side})
    (goldens / "image/warp.json").write_text(json.dumps(list_of_warps) + "\n")


main()
