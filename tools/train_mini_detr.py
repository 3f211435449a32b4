#!/usr/bin/env python3
"""Trains models/mini-detr on scenes that `assay scenes` draws, from nothing, and goes on where it was cut off.

    pip install torch scipy safetensors pycocotools          (transformers for --verify; cupy where there is a GPU)
    tools/train_mini_detr.py --generator "build/release/assay scenes" --work /tmp/mini --out models/mini-detr

On a GPU a training step is captured as one graph and scenes are drawn while it trains; on a CPU give --scenes 20000
--batch 16 and some hours. --seconds N stops after N seconds with a checkpoint; the same command goes on.
"""
import argparse
import copy
import json
import math
import os
import pathlib
import shlex
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from mini_detr.evaluation import average_precision, detections
from mini_detr.losses import training_loss
from mini_detr.model import Detr, PREPROCESSOR, hf_config
from mini_detr.scenes import Pool, draw, read

TRAINING_SEED, VALIDATION_SEED = 1, 2


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--generator", default="build/release/assay scenes", help="command that draws")
    p.add_argument("--work", required=True, help="folder of the checkpoint and the log")
    p.add_argument("--scratch", help="folder for scenes on their way to the device [WORK]")
    p.add_argument("--out", help="folder for config.json, preprocessor_config.json, model.safetensors")
    p.add_argument("--steps", type=int, default=50000, help="of the whole training")
    p.add_argument("--budget", type=float, help="seconds of the whole training, instead of --steps")
    p.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--rate", type=float, default=6e-4, help="the highest learning rate")
    p.add_argument("--scenes", type=int, default=200000, help="kept at a time")
    p.add_argument("--fixed", action="store_true", help="draw no more than --scenes")
    p.add_argument("--held-out", type=int, default=1000)
    p.add_argument("--log-every", type=int, default=500)
    p.add_argument("--evaluate-every", type=float, default=1e9, help="seconds")
    p.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    p.add_argument("--no-graph", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--verify", action="store_true", help="compare --out with transformers; no training")
    return p.parse_args()


def learning_rate(share, highest):
    """Rises over the first 2 % of the training and falls as a cosine."""
    if share < 0.02:
        return highest * (0.01 + 0.99 * share / 0.02)
    return highest * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * (share - 0.02) / 0.98)))


class Trainer:
    def __init__(self, args, device):
        self.args, self.device = args, device
        torch.manual_seed(TRAINING_SEED)
        self.model = Detr().to(device)
        if device == "cuda":
            self.model.model.backbone.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.softness = torch.tensor(0.0, device=device)
        self.keep = torch.tensor(0.0, device=device)  # 1 - decay of the average
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}],
            lr=torch.tensor(0.0, device=device) if device == "cuda" else 0.0, fused=device == "cuda", capturable=device == "cuda")
        self.loss = torch.zeros((), device=device)
        self.parts = torch.zeros(4, device=device)
        self.step_number, self.seconds, self.next_scene, self.log = 0, 0.0, 0, []
        self.graph = None

    def state_files(self):
        work = pathlib.Path(self.args.work)
        return {n: work / f"{n}.pt" for n in ("model", "average", "moments")}, work / "state.json"

    def save(self):
        files, state = self.state_files()
        moments = [{k: v.to(torch.bfloat16) if v.dim() else v for k, v in s.items()}
                   for s in self.optimizer.state_dict()["state"].values()]
        for name, content in (("model", self.model.state_dict()), ("average", self.average.state_dict()),
                              ("moments", moments)):
            torch.save(content, f"{files[name]}.part")
            os.replace(f"{files[name]}.part", files[name])
        text = {"step": self.step_number, "seconds": round(self.seconds, 1), "next_scene": self.next_scene,
                "log": self.log}
        state.with_suffix(".part").write_text(json.dumps(text))
        os.replace(state.with_suffix(".part"), state)

    def load(self):
        files, state = self.state_files()
        if not state.exists():
            return
        text = json.loads(state.read_text())
        self.step_number, self.seconds = text["step"], text["seconds"]
        self.next_scene, self.log = text["next_scene"], text["log"]
        self.model.load_state_dict(torch.load(files["model"], map_location=self.device))
        self.average.load_state_dict(torch.load(files["average"], map_location=self.device))
        own = self.optimizer.state_dict()
        own["state"] = dict(enumerate(torch.load(files["moments"], map_location=self.device)))
        for s in own["state"].values():
            for k, v in s.items():
                s[k] = v.float()
        rates = [g["lr"] for g in self.optimizer.param_groups]
        self.optimizer.load_state_dict(own)
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        print(f"goes on at step {self.step_number}", flush=True)

    def train_step(self):
        """Everything on the device; nothing waits for it."""
        pixels, boxes, labels = self.pool.batch(self.args.batch)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda", cache_enabled=False):
            loss, parts = training_loss(self.model, self.model.pixels(pixels), boxes, labels, self.softness)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            averaged = [*self.average.parameters()] + [b for b in self.average.buffers() if b.is_floating_point()]
            current = [*self.model.parameters()] + [b for b in self.model.buffers() if b.is_floating_point()]
            difference = torch._foreach_sub(current, averaged)
            torch._foreach_mul_(difference, self.keep)
            torch._foreach_add_(averaged, difference)
            self.loss.copy_(loss.detach())
            self.parts.copy_(parts)

    def share(self):
        """Of the whole training, that is done."""
        return min(1.0, self.seconds / self.args.budget if self.args.budget else self.step_number / self.args.steps)

    def schedule(self):
        step, share = self.step_number, self.share()
        rate = learning_rate(share, self.args.rate)
        for group in self.optimizer.param_groups:
            if self.device == "cuda":
                group["lr"].fill_(rate)  # which the captured step reads
            else:
                group["lr"] = rate
        self.softness.fill_(min(1.0, max(0.0, (share - 0.2) / 0.2)))
        self.keep.fill_(1 - min(0.9995, (1 + step) / (10 + step)))

    def capture(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.schedule()
                self.train_step()
                self.step_number += 1
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.train_step()

    def run(self):
        args = self.args
        self.load()
        started = time.time()
        pathlib.Path(args.work).mkdir(parents=True, exist_ok=True)
        generator = shlex.split(args.generator)
        scratch = pathlib.Path(args.scratch or args.work)
        scratch.mkdir(parents=True, exist_ok=True)
        self.held_out = scratch / "held-out"
        self.drawing = draw(generator, self.held_out, VALIDATION_SEED, 0, args.held_out)
        self.pool = Pool(generator, scratch, self.device, args.scenes, TRAINING_SEED, self.next_scene,
                         args.processes, not args.fixed, min(256, args.scenes))
        self.pool.wait(4096 if not args.fixed else args.scenes)
        print(f"{self.pool.count} scenes after {time.time() - started:.1f} s", flush=True)
        if args.compile:
            self.model.encode = torch.compile(self.model.encode)
        if self.device == "cuda" and not args.no_graph:
            self.capture()
            print(f"captured after {time.time() - started:.1f} s", flush=True)
        evaluated = mark = trained = time.time()
        before = self.seconds
        mark_step = self.step_number
        while self.share() < 1 and time.time() - started < args.seconds:
            self.seconds = before + time.time() - trained
            self.schedule()
            if self.graph:
                self.graph.replay()
            else:
                self.train_step()
            self.step_number += 1
            if self.step_number % args.log_every == 0:
                loss, parts = float(self.loss), self.parts.tolist()
                now = time.time()
                speed = (self.step_number - mark_step) * args.batch / (now - mark)
                mark, mark_step = now, self.step_number
                names = ("class", "box", "dense", "iou")
                row = {"step": self.step_number, "seconds": round(self.seconds, 1), "loss": round(loss, 4),
                       **{n: round(v, 4) for n, v in zip(names, parts)}, "pictures_per_s": round(speed),
                       "scenes": self.pool.next}
                self.log.append(row)
                print(json.dumps(row), flush=True)
                if not loss < 1e4:
                    raise SystemExit("the loss is no longer a number")
            if time.time() - evaluated > args.evaluate_every:
                self.evaluate(300)
                self.next_scene = self.pool.next
                self.save()
                evaluated = mark = time.time()
                mark_step = self.step_number
        self.pool.stop()
        self.next_scene = self.pool.next
        self.save()
        self.evaluate(args.held_out)
        self.save()
        if args.out:
            export(self.average, pathlib.Path(args.out))
        return self

    def evaluate(self, count):
        if self.drawing.wait() != 0:
            raise SystemExit("the generator of held-out scenes failed")
        pixels, _, _ = read(self.held_out)
        found = detections(lambda x: self.average.detect(x.to(self.device)), pixels[:count], list(range(count)))
        try:
            truth = json.loads(pathlib.Path(f"{self.held_out}.json").read_text())
            truth["images"] = truth["images"][:count]
            truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] < count]
            subset = self.held_out.with_name("held-out-subset.json")
            subset.write_text(json.dumps(truth))
            row = {"step": self.step_number, "held_out": count, **average_precision(subset, found)}
        except ImportError as missing:
            row = {"step": self.step_number, "held_out": count, "missing": str(missing)}
        self.log.append(row)
        print(json.dumps(row), flush=True)


def export(model, folder):
    """transformers' files, the weights rounded to float16."""
    from safetensors.torch import save_file
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.half() for k, v in model.exported().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(hf_config(model.sizes), indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")
    print(f"{sum(v.numel() for v in state.values())} numbers, "
          f"{(folder / 'model.safetensors').stat().st_size} bytes in {folder}", flush=True)


def verify(args):
    """The exported model in transformers: the same boxes as the training code's (where there is a checkpoint) with the
    same rounded weights, and its AP."""
    from PIL import Image
    from safetensors.torch import load_file
    from transformers import AutoImageProcessor, AutoModelForObjectDetection
    model = AutoModelForObjectDetection.from_pretrained(args.out, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(args.out)
    work = pathlib.Path(args.work)
    work.mkdir(parents=True, exist_ok=True)
    raw = work / "held-out"
    if draw(shlex.split(args.generator), raw, VALIDATION_SEED, 0, args.held_out).wait() != 0:
        raise SystemExit("the generator failed")
    pixels, _, _ = read(raw)

    @torch.no_grad()
    def detect(images):
        inputs = processor(images=[Image.fromarray(x) for x in images.numpy()], return_tensors="pt")
        out = model(pixel_values=inputs["pixel_values"])
        return out.logits, out.pred_boxes

    checkpoint = work / "average.pt"
    if checkpoint.exists():
        own, state = Detr().eval(), load_file(pathlib.Path(args.out) / "model.safetensors")
        own.load_state_dict(torch.load(checkpoint, map_location="cpu"))
        own.load_state_dict(state, strict=False)
        positions = state["model.query_position_embeddings.weight"].float().expand(16, -1, -1)
        with torch.no_grad():
            logits, boxes = own.decode(own.encode(own.pixels(pixels[:16]))[1], positions)
        logits, boxes = logits[-1], boxes[-1].sigmoid()
        theirs = detect(pixels[:16])
        print(f"beside the training code: boxes differ by {float((boxes - theirs[1]).abs().max()):.2e}, "
              f"probabilities by {float((logits.softmax(-1) - theirs[0].softmax(-1)).abs().max()):.2e}")
    print(json.dumps(average_precision(f"{raw}.json", detections(detect, pixels, list(range(len(pixels)))))))


def main():
    args = arguments()
    if args.verify:
        return verify(args)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    Trainer(args, "cuda" if torch.cuda.is_available() else "cpu").run()


if __name__ == "__main__":
    main()
