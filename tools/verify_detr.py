#!/usr/bin/env python3
"""Converts detectors of the DETR family in full size, with random weights, by `assay convert` and compares the .tflite in
LiteRT's Python interpreter with transformers.

    pip install torch==2.10.0 torchvision==0.25.0 transformers==5.24.0 timm==1.0.31 safetensors==0.8.0 ai-edge-litert==2.3.0
    python tools/verify_detr.py build/release/assay [--arch all|NAME,...] [--size 480x640] [--keep DIR]

The bound is --factor times what transformers' own float32 arithmetic errs from its float64, so it follows the depth of the
network; exit code 1 if a model is above it. Queries that a top-k picks come in an order that rounding may change where two
scores are as good as equal, so their rows are paired with the nearest before they are compared; `moved` counts them.
"""
import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers as hf
from ai_edge_litert.interpreter import Interpreter
from detr_golden_cases import (CONDITIONAL, COPIES, DEFORMABLE, DETR, DFINE, RT, RT2, SHARED, YOLOS, native_case,
                               timm_case)
from make_detr_goldens import fill, outputs_of, write_checkpoint

LABELS = {"id2label": {i: str(i) for i in range(91)}, "label2id": {str(i): i for i in range(91)}}
COCO = {"id2label": {i: str(i) for i in range(80)}, "label2id": {str(i): i for i in range(80)}}
LARGEST_HG = ["stage2", "stage3", "stage4"]
SMALL_HG = dict(model_type="hgnet_v2", stem_channels=[3, 16, 16], stage_in_channels=[16, 64, 256, 512],
                stage_mid_channels=[16, 32, 64, 128], stage_out_channels=[64, 256, 512, 1024],
                hidden_sizes=[64, 256, 512, 1024], embedding_size=16, stage_num_blocks=[1, 1, 2, 1],
                stage_numb_of_layers=[3, 3, 3, 3], use_learnable_affine_block=True, out_features=LARGEST_HG)


def full_timm(name, make, architecture, base, **more):
    return {**timm_case(name, make, architecture, **base, **more), "backbone": contextlib.nullcontext}


def detr(name, **more):
    return full_timm(name, lambda: hf.DetrConfig(backbone=name, **LABELS, **more), "DetrForObjectDetection", DETR)


def deformable(**more):
    heads = COPIES if more.get("with_box_refine") else SHARED
    return full_timm("resnet50", lambda: hf.DeformableDetrConfig(**LABELS, **more), "DeformableDetrForObjectDetection",
                     DEFORMABLE, left_out=heads)


def vd(kind, architecture, base, layer_type, widths, depths, **more):
    backbone = dict(model_type="rt_detr_resnet", layer_type=layer_type, hidden_sizes=widths, depths=depths,
                    out_features=["stage2", "stage3", "stage4"])
    return native_case(lambda: kind(backbone_config=backbone, encoder_in_channels=widths[1:], **COCO, **more),
                       architecture, **base)


def r18(kind, architecture, base):
    return vd(kind, architecture, base, "basic", [64, 128, 256, 512], [2, 2, 2, 2], hidden_expansion=0.5, decoder_layers=3)


def yolos(**more):
    return native_case(lambda: hf.YolosConfig(**LABELS, **more), "YolosForObjectDetection", **YOLOS)


ARCHITECTURES = {
    "detr-resnet-50": detr("resnet50"),
    "detr-resnet-50-native": native_case(
        lambda: hf.DetrConfig(use_timm_backbone=False, backbone_config=hf.ResNetConfig(out_features=["stage4"]), **LABELS),
        "DetrForObjectDetection", **DETR),
    "detr-resnet-101": detr("resnet101"),
    "detr-resnet-101-dc5": detr("resnet101", dilation=True),
    "conditional-detr-resnet-50": full_timm("resnet50", lambda: hf.ConditionalDetrConfig(**LABELS),
                                            "ConditionalDetrForObjectDetection", CONDITIONAL),
    "deformable-detr": deformable(),
    "deformable-detr-single-scale": deformable(num_feature_levels=1),
    "deformable-detr-with-box-refine": deformable(with_box_refine=True),
    "deformable-detr-with-box-refine-two-stage": deformable(with_box_refine=True, two_stage=True),
    "yolos-tiny": yolos(hidden_size=192, num_attention_heads=3, intermediate_size=768, image_size=[800, 1333],
                        use_mid_position_embeddings=False),
    "yolos-small": yolos(hidden_size=384, num_attention_heads=6, intermediate_size=1536),
    "rtdetr-r18vd": r18(hf.RTDetrConfig, "RTDetrForObjectDetection", RT),
    "rtdetr-r50vd": vd(hf.RTDetrConfig, "RTDetrForObjectDetection", RT, "bottleneck", [256, 512, 1024, 2048], [3, 4, 6, 3]),
    "rtdetr-v2-r18vd": r18(hf.RTDetrV2Config, "RTDetrV2ForObjectDetection", RT2),
    "dfine-small": native_case(
        lambda: hf.DFineConfig(backbone_config=SMALL_HG, encoder_in_channels=[256, 512, 1024], hidden_expansion=0.5,
                               depth_mult=0.34, decoder_layers=3, decoder_n_points=[3, 6, 3], **COCO),
        "DFineForObjectDetection", **DFINE),
    "dfine-large": native_case(
        lambda: hf.DFineConfig(backbone_config=dict(model_type="hgnet_v2", out_features=LARGEST_HG),
                               decoder_n_points=[3, 6, 3], **COCO), "DFineForObjectDetection", **DFINE),
}


def calm(model):
    """Random refinement over many layers is chaotic, and attention over hundreds of random keys is an average in which
    queries no longer differ. Smaller steps and less of the average leave errors that can be told from rounding."""
    for name, tensor in model.state_dict().items():
        if name.endswith("sampling_offsets.weight") or ("bbox_" in name and name.endswith("layers.2.weight")):
            tensor.mul_(0.2)
        elif name.endswith("query_position_embeddings.weight"):
            tensor.mul_(3)
        elif re.search(r"encoder\.layers\.\d+\.self_attn\.o_proj\.weight$", name):
            tensor.mul_(0.3)


def write_model(case, folder):
    torch.manual_seed(0)
    config = case["config"]()
    model = case["class"](config).eval()
    with torch.no_grad():
        fill(model, 1)
        calm(model)
        model.tie_weights()
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(model, config, case, folder)


def picture(height, width):
    """Patches with noise on them: of noise alone a deep backbone would make features that are the same everywhere."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn((1, 3, -(-height // 32), -(-width // 32)), generator=generator)
    patches = torch.nn.functional.interpolate(coarse, scale_factor=32)[:, :, :height, :width].permute(0, 2, 3, 1)
    return (1.5 * patches + 0.5 * torch.randn((1, height, width, 3), generator=generator)).contiguous()


def reference(case, folder, values, dtype):
    model = case["class"].from_pretrained(folder, attn_implementation="eager", dtype=dtype).eval()
    mask = torch.ones(values.shape[:3], dtype=torch.int64) if case["takes_mask"] else None
    return {kind: tensor[0].double().numpy() for kind, tensor in outputs_of(model, values.to(dtype), mask).items()}


def run(path, values, threads):
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.numpy())
    interpreter.invoke()
    found = [interpreter.get_tensor(d["index"])[0].astype(np.float64) for d in interpreter.get_output_details()]
    if sorted(len(tensor.shape) for tensor in found) != [2, 2] or sum(t.shape[-1] == 4 for t in found) != 1:
        sys.exit(f"{path}: expected outputs [1,Q,classes] and [1,Q,4], found {[t.shape for t in found]}")
    return {"pred_boxes" if tensor.shape[-1] == 4 else "logits": tensor for tensor in found}


def difference(expected, actual):
    """Largest difference of logits and of boxes, each row against the nearest, and how many rows changed places."""
    one, other = (np.concatenate([side["logits"], side["pred_boxes"]], -1) for side in (expected, actual))
    if one.shape != other.shape or not np.isfinite(other).all():
        return {"logits": np.inf, "pred_boxes": np.inf}, len(one)
    places, free = np.arange(len(one)), []
    for index, row in enumerate(one):  # a row that stands where it should, or has equals elsewhere, stays
        if np.abs(other[index] - row).max() > 2 * np.abs(other - row).max(-1).min() + 1e-9:
            free.append(index)
    left = list(free)
    for index in free:
        places[index] = left.pop(int(np.abs(other[left] - one[index]).max(-1).argmin()))
    moved = int((places != np.arange(len(one))).sum())
    return {kind: np.abs(expected[kind] - actual[kind][places]).max() for kind in expected}, moved


def verify(name, case, options, folder):
    height, width = options.size
    values = picture(height, width)
    write_model(case, folder)
    tflite = folder / "model.tflite"
    start = time.perf_counter()
    done = subprocess.run([options.assay, "convert", folder, "-o", tflite, "--size", f"{height}x{width}"],
                          capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        print(json.dumps({"arch": name, "error": done.stderr.strip()[-400:], "pass": False}), flush=True)
        return False
    exact = reference(case, folder, values, torch.float64)
    own, own_moved = difference(exact, reference(case, folder, values, torch.float32))
    ours, moved = difference(exact, run(tflite, values, options.threads))
    bounds = {kind: max(options.factor * own[kind], 1e-6) for kind in own}
    passed = all(ours[kind] <= bounds[kind] for kind in own)
    row = {"arch": name, "size": f"{height}x{width}", "convert_s": round(seconds, 2), "bytes": tflite.stat().st_size}
    for kind in own:
        row[kind] = float(f"{ours[kind]:.3g}")
        row[f"{kind}_transformers_float32"] = float(f"{own[kind]:.3g}")
        row[f"{kind}_bound"] = float(f"{bounds[kind]:.3g}")
    print(json.dumps({**row, "moved": moved, "moved_transformers": own_moved, "pass": bool(passed)}), flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assay")
    parser.add_argument("--arch", default="all", help="all, or names: " + ", ".join(ARCHITECTURES))
    parser.add_argument("--size", default="480x640", type=lambda text: tuple(map(int, text.split("x"))))
    parser.add_argument("--factor", type=float, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the checkpoints and .tflite files; otherwise they are removed")
    parser.add_argument("--only-write", action="store_true", help="write the checkpoints to --keep and stop")
    options = parser.parse_args()
    names = list(ARCHITECTURES) if options.arch == "all" else options.arch.split(",")
    unknown = [name for name in names if name not in ARCHITECTURES]
    if unknown:
        parser.error(f"--arch: no {unknown[0]}; one of {', '.join(ARCHITECTURES)}")
    if options.only_write and not options.keep:
        parser.error("--only-write needs --keep")
    hf.logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    passed = True
    for name in names:
        folder = options.keep / name if options.keep else Path(tempfile.mkdtemp(prefix="verify_detr_"))
        try:
            if options.only_write:
                write_model(ARCHITECTURES[name], folder)
            else:
                passed &= verify(name, ARCHITECTURES[name], options, folder)
        finally:
            if not options.keep:
                shutil.rmtree(folder)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
