#!/usr/bin/env python3
"""Makes tests/goldens/detr_processing: what the image processors of the DETR family make of pictures and of outputs.

    pip install torch==2.10.0 torchvision==0.25.0 transformers==5.24.0 safetensors==0.8.0 pillow numpy
    python tools/make_detr_processing_goldens.py tests/goldens/detr_processing
"""
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import PIL
import safetensors.torch
import torch
import torchvision
import transformers as hf

SIZES = [(480, 640), (333, 500), (1200, 301), (800, 1333), (427, 640), (97, 1000), (800, 600), (641, 480)]
EDGES = {"shortest_edge": 800, "longest_edge": 1333}
PROCESSORS = {
    "detr": (hf.DetrImageProcessor, hf.DetrImageProcessorPil, EDGES),
    "conditional": (hf.ConditionalDetrImageProcessor, hf.ConditionalDetrImageProcessorPil, EDGES),
    "deformable": (hf.DeformableDetrImageProcessor, hf.DeformableDetrImageProcessorPil, EDGES),
    "yolos": (hf.YolosImageProcessor, hf.YolosImageProcessorPil, EDGES),
    "yolos_tiny_size": (hf.YolosImageProcessor, hf.YolosImageProcessorPil, {"shortest_edge": 512, "longest_edge": 1333}),
    "rtdetr": (hf.RTDetrImageProcessor, hf.RTDetrImageProcessorPil, {"height": 640, "width": 640}),
}
SMALL = {"shortest_edge": 32, "longest_edge": 50}
HEIGHT, WIDTH = 23, 37


def picture(height, width):
    """The test makes the same one: (x * 7 + y * 13 + c * 50 + (x * y) % 31) % 256."""
    y, x, c = numpy.mgrid[:height, :width, :3]
    return ((x * 7 + y * 13 + c * 50 + (x * y) % 31) % 256).astype(numpy.uint8)


def resized_sizes():
    for name, (kind, _, size) in PROCESSORS.items():
        for height, width in SIZES:
            values = kind(size=size, do_pad=False)(PIL.Image.fromarray(picture(height, width)), return_tensors="pt")
            yield {"processor": name, "size": size, "picture": [height, width],
                   "tensor": list(values["pixel_values"].shape[-2:])}


def pixel_values():
    for name, (torch_kind, pil_kind, size) in PROCESSORS.items():
        if name in ("conditional", "deformable", "yolos_tiny_size"):
            continue  # as "detr" and "yolos"
        size = SMALL if "shortest_edge" in size else {"height": 32, "width": 32}
        for backend, kind in [("torchvision", torch_kind), ("pil", pil_kind)]:
            values = kind(size=size, do_pad=False)(PIL.Image.fromarray(picture(HEIGHT, WIDTH)), return_tensors="pt")
            yield f"{name}.{backend}", values["pixel_values"][0].permute(1, 2, 0).contiguous()


def outputs(classes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((1, 30, classes), generator=generator) * 2
    centre, size = torch.rand((1, 30, 2), generator=generator), torch.rand((1, 30, 2), generator=generator) * 0.5
    return SimpleNamespace(logits=logits, pred_boxes=torch.cat([centre, size], -1))


def detections():
    for name, classes in [("detr", 8), ("yolos", 8), ("conditional", 7), ("deformable", 7),
                                ("rtdetr", 7)]:
        made = outputs(classes, 5)
        yield f"{name}.logits", made.logits[0]
        yield f"{name}.pred_boxes", made.pred_boxes[0]
        for threshold in (0.0, 0.8):
            found = PROCESSORS[name][0]().post_process_object_detection(
                made, threshold=threshold, target_sizes=[(427, 640)])[0]
            for key, value in found.items():
                yield f"{name}.{threshold}.{key}", value.to(torch.int32) if key == "labels" else value


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "transformers": hf.__version__,
                "pillow": PIL.__version__}
    rows = ",\n  ".join(json.dumps(row) for row in resized_sizes())
    (out / "sizes.json").write_text('{"versions": ' + json.dumps(versions) + ',\n "cases": [\n  ' + rows + "\n]}\n")
    safetensors.torch.save_file(dict(pixel_values()), out / "pixel_values.safetensors",
                                {**versions, "picture": json.dumps([HEIGHT, WIDTH]), "size": json.dumps(SMALL)})
    safetensors.torch.save_file({k: v.contiguous() for k, v in detections()}, out / "detections.safetensors",
                                {**versions, "target_size": "[427, 640]", "top_k": "100"})


if __name__ == "__main__":
    hf.logging.set_verbosity_error()
    main()
