#!/usr/bin/env python3
"""Makes tests/goldens/detr: tiny random detectors of the DETR family as Hugging Face stores them, and what they compute.

    pip install torch==2.10.0 torchvision==0.25.0 transformers==5.24.0 timm==1.0.31 safetensors==0.8.0
    python tools/make_detr_goldens.py tests/goldens/detr [NAME...]

Every folder is a checkpoint with the tensor names that the published files have. Its expected.safetensors has, for each
input "a", "b" (sizes in the metadata) and "padded" where the model takes a mask: X.pixel_values [1,H,W,3], X.logits and
X.pred_boxes of float32 arithmetic, X.logits64 and X.pred_boxes64 of float64. The written folder is read back by
transformers, which must miss no tensor and find none too many, and it is the model read back that is run.
"""
import json
import platform
import re
import shutil
import sys
import zlib
from pathlib import Path

import safetensors.torch
import torch
import transformers
from detr_golden_cases import CASES

KINDS = ("logits", "pred_boxes")


def one_spelling(name):
    """timm's names of a ResNet become those of transformers, so that twins of either spelling get the same values."""
    for pattern, replacement in [
        (r"\.layer(\d)\.(\d+)\.", lambda m: f".encoder.stages.{int(m[1]) - 1}.layers.{m[2]}."),
        (r"(layers\.\d+)\.(conv|bn)(\d)\.",
         lambda m: f"{m[1]}.layer.{int(m[3]) - 1}.{'convolution' if m[2] == 'conv' else 'normalization'}."),
        (r"downsample\.0\.", "shortcut.convolution."), (r"downsample\.1\.", "shortcut.normalization."),
        (r"backbone\.model\.conv1\.", "backbone.model.embedder.embedder.convolution."),
        (r"backbone\.model\.bn1\.", "backbone.model.embedder.embedder.normalization."),
    ]:
        name = re.sub(pattern, replacement, name)
    return name


def fill(model, seed):
    """Values that let no term vanish: statistics, scales and biases of every norm differ from their defaults."""
    for name, tensor in model.state_dict().items():
        generator = torch.Generator().manual_seed(zlib.crc32(one_spelling(name).encode()) + seed)

        def uniform(tensor, low, high):
            return torch.rand(tensor.shape, generator=generator) * (high - low) + low

        if not tensor.is_floating_point():
            continue
        owner = model.get_submodule(name.rpartition(".")[0])
        norm = "Norm" in type(owner).__name__ or hasattr(owner, "running_var")
        if name.endswith("running_var"):
            value = uniform(tensor, 0.5, 1.5)
        elif name.endswith("running_mean"):
            value = uniform(tensor, -0.3, 0.3)
        elif name.endswith(".lab.scale"):
            value = uniform(tensor, 0.7, 1.3)
        elif norm and name.endswith("weight"):
            value = uniform(tensor, 0.6, 1.4)
        elif "sampling_offsets.bias" in name:
            value = uniform(tensor, -2.0, 2.0)
        elif name.endswith((".up", ".reg_scale", "num_points_scale")):
            continue  # constants of the architecture
        elif tensor.dim() >= 2 and isinstance(owner, (torch.nn.Linear, torch.nn.Conv2d)):
            scale = (3.0 / tensor[0].numel()) ** 0.5
            gain = 1.8 if re.search(r"(q|k|query|key)(_content|_pos|_proj|content|pos|$)", name.split(".")[-2]) else \
                1.2 if tensor.dim() == 4 else 1.7
            value = uniform(tensor, -gain * scale, gain * scale)
        elif tensor.dim() >= 2:  # embeddings and tokens
            value = uniform(tensor, -1.0, 1.0)
        else:
            value = uniform(tensor, -0.3, 0.3)
        tensor.copy_(value)


def outputs_of(model, values, mask):
    more = {} if mask is None else {"pixel_mask": mask}
    with torch.no_grad():
        result = model(pixel_values=values.permute(0, 3, 1, 2).contiguous(), **more)
    return {kind: getattr(result, kind) for kind in KINDS}


def inputs_of(case, seed):
    """Smooth waves and noise: neighbouring windows of a convolution differ, and nothing saturates."""
    generator = torch.Generator().manual_seed(seed)
    sizes = dict(zip("ab", case["sizes"]))
    for key, (height, width) in sizes.items():
        yield key, torch.randn((1, height, width, 3), generator=generator), torch.ones((1, height, width), dtype=torch.int64)
    if case.get("padded"):
        height, width, valid_height, valid_width = case["padded"]
        values, mask = torch.zeros((1, height, width, 3)), torch.zeros((1, height, width), dtype=torch.int64)
        values[:, :valid_height, :valid_width] = torch.randn((1, valid_height, valid_width, 3), generator=generator)
        mask[:, :valid_height, :valid_width] = 1
        yield "padded", values, mask


def hub_tensors(model, case):
    tensors = {}
    for name, tensor in model.state_dict().items():
        if re.search(case.get("left_out", "$^"), name):
            continue
        for pattern, replacement in case["names"]:
            name = re.sub(pattern, replacement, name)
        tensors[name] = tensor.clone().contiguous()
    return tensors


def write_checkpoint(model, config, case, folder):
    safetensors.torch.save_file(hub_tensors(model, case), folder / "model.safetensors", {"format": "pt"})
    for name, value in [("config", case["config_json"](config)), ("preprocessor_config", case["processor"])]:
        (folder / f"{name}.json").write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def check_loading(info, case, folder):
    missing = [n for n in info["missing_keys"] if not re.search(case.get("ties", "$^"), n)]
    unexpected = [n for n in info["unexpected_keys"] if not re.search(case.get("unread", "$^"), n)]
    if missing or unexpected or info["mismatched_keys"]:
        sys.exit(f"{folder}: missing {missing[:5]}, unexpected {unexpected[:5]}, mismatched {info['mismatched_keys'][:3]}")


def make(case, folder, seed):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    config = case["config"]()
    with case["backbone"]():
        model = case["class"](config).eval()
        with torch.no_grad():
            fill(model, seed)
            case.get("after_fill", lambda _: None)(model)
            model.tie_weights()
        write_checkpoint(model, config, case, folder)
        read, info = case["class"].from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
        check_loading(info, case, folder)
        read = read.eval()
        for name, tensor in model.state_dict().items():
            if not torch.equal(tensor, read.state_dict()[name]):
                sys.exit(f"{folder}: {name} was not read back")
        expected, errors = {}, []
        double = case["class"].from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
    if case.get("unlike_published"):  # widths that no name of a backbone stands for; transformers would not build the same
        written = {**json.loads((folder / "config.json").read_text()), **case["unlike_published"]}
        (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    for key, values, mask in inputs_of(case, seed + 1000):
        mask = mask if case["takes_mask"] else None
        single, exact = outputs_of(read, values, mask), outputs_of(double, values.double(), mask)
        expected[f"{key}.pixel_values"] = values
        if key == "padded":
            expected["padded.pixel_mask"] = mask.to(torch.uint8)
        for kind in KINDS:
            if exact[kind].dtype != torch.float64:
                sys.exit(f"{folder}: {kind} left float64")
            expected[f"{key}.{kind}"], expected[f"{key}.{kind}64"] = single[kind], exact[kind]
            errors.append(float((single[kind] - exact[kind]).abs().max()))
    if max(errors) > 1e-3:
        sys.exit(f"{folder}: float32 and float64 part, {errors}; an order of queries depends on rounding, take another seed")
    metadata = {
        "torch": torch.__version__, "transformers": transformers.__version__, "python": platform.python_version(),
        "seed": str(seed), "sizes": json.dumps(dict(zip("ab", case["sizes"]))), "names": case["note"],
        "padded": json.dumps(case.get("padded")), "float32_error": json.dumps(max(errors)),
    }
    if case.get("timm"):
        metadata["timm"] = __import__("timm").__version__
    safetensors.torch.save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors", metadata)
    spread = float(expected["a.logits"].std(1).mean())
    size = sum(f.stat().st_size for f in folder.iterdir()) // 1024
    print(f"{folder.name}: {size} KiB, largest float32 error {max(errors):.1e}, spread over queries {spread:.2g}")


def main():
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for name, case in CASES.items():
        if len(sys.argv) == 2 or name in sys.argv[2:]:
            make(case, out / name, case.get("seed", 1))


if __name__ == "__main__":
    main()
