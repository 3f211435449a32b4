#!/usr/bin/env python3
"""Writes tests/goldens/mini_detr/outputs.json: what transformers computes with models/mini-detr, in float32 on the CPU,
for the first three scenes of the set `scenes` (seed 3).

    pip install torch transformers safetensors
    tools/make_mini_detr_goldens.py --generator "build/release/assay scenes"
"""
import argparse
import hashlib
import json
import pathlib
import shlex
import sys
import tempfile

import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from mini_detr.scenes import draw, read

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED, COUNT = 3, 3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="build/release/assay scenes", help="command that draws")
    args = parser.parse_args()
    folder = ROOT / "models/mini-detr"
    model = AutoModelForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as scratch:
        raw = pathlib.Path(scratch) / "scenes"
        if draw(shlex.split(args.generator), raw, SEED, 0, COUNT).wait() != 0:
            raise SystemExit("the generator failed")
        pixels, _, _ = read(raw)
    scenes = []
    for index, picture in enumerate(pixels):
        inputs = processor(images=Image.fromarray(picture.numpy()), return_tensors="pt")
        with torch.no_grad():
            output = model(pixel_values=inputs["pixel_values"])
        scenes.append({
            "index": index, "pixels_sha256": hashlib.sha256(picture.numpy().tobytes()).hexdigest(),
            "logits": [[float(f"{v:.7g}") for v in row] for row in output.logits[0].tolist()],
            "boxes": [[float(f"{v:.7g}") for v in row] for row in output.pred_boxes[0].tolist()]})
    golden = {
        "made_by": "tools/make_mini_detr_goldens.py",
        "with": f"transformers {transformers.__version__}, torch {torch.__version__}, float32",
        "model_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "seed": SEED, "scenes": scenes}
    target = ROOT / "tests/goldens/mini_detr/outputs.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(golden) + "\n")
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
