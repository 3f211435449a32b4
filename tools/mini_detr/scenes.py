"""Scenes drawn by `assay scenes --raw`: files of pixels with annotations beside them."""
import json
import os
import pathlib
import subprocess
import threading
import time

import numpy as np
import torch

from .matching import MAX_OBJECTS
from .model import SIDE


def draw(program, path, seed, first, count):
    """Runs the generator: `path` gets the pixels, `path`.json the annotations. A started process."""
    return subprocess.Popen([*program, "--raw", str(path), "--seed", str(seed), "--first", str(first),
                             "--count", str(count), "--threads", "1"], stdout=subprocess.DEVNULL)


def read(path):
    """pixels [N, H, W, 3] of uint8, boxes [N, MAX_OBJECTS, 4] (cx, cy, w, h of 0..1), labels [N, MAX_OBJECTS] (-1: none)."""
    truth = json.loads(pathlib.Path(f"{path}.json").read_text())
    count = len(truth["images"])
    pixels = np.fromfile(path, dtype=np.uint8).reshape(count, SIDE, SIDE, 3)
    boxes = np.full((count, MAX_OBJECTS, 4), 0.5, dtype=np.float32)
    labels = np.full((count, MAX_OBJECTS), -1, dtype=np.int64)
    used = np.zeros(count, dtype=np.int64)
    first = truth["images"][0]["id"]
    for a in truth["annotations"]:
        i = a["image_id"] - first
        x, y, w, h = a["bbox"]
        boxes[i, used[i]] = ((x + w / 2) / SIDE, (y + h / 2) / SIDE, w / SIDE, h / SIDE)
        labels[i, used[i]] = a["category_id"]
        used[i] += 1
    return torch.from_numpy(pixels), torch.from_numpy(boxes), torch.from_numpy(labels)


class Pool:
    """Scenes on the device; a thread fills it and, with `endless`, goes on to replace the oldest by new ones."""

    def __init__(self, program, folder, device, capacity, seed, first, processes, endless, shard):
        self.pixels = torch.zeros(capacity, SIDE, SIDE, 3, dtype=torch.uint8, device=device)
        self.boxes = torch.zeros(capacity, MAX_OBJECTS, 4, device=device)
        self.labels = torch.full((capacity, MAX_OBJECTS), -1, dtype=torch.int64, device=device)
        self.filled = torch.zeros((), device=device)  # read by the captured step
        self.count, self.next = 0, first
        self.capacity, self.shard, self.endless = capacity, min(shard, capacity), endless
        self.program, self.folder, self.seed, self.processes = program, pathlib.Path(folder), seed, processes
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stopping = False
        self.thread = threading.Thread(target=self._fill, daemon=True)
        self.thread.start()

    def wait(self, count):
        while self.count < min(count, self.capacity):
            if not self.thread.is_alive():
                raise SystemExit("the generator of scenes ended")
            time.sleep(0.05)

    def stop(self):
        self.stopping = True
        self.thread.join()

    def _fill(self):
        if self.pixels.is_cuda:
            with torch.cuda.stream(torch.cuda.Stream()):
                self._run()
        else:
            self._run()

    def _run(self):
        running = []
        put = 0
        while not self.stopping:
            while len(running) < self.processes and (self.endless or put + len(running) * self.shard < self.capacity):
                path = self.folder / f"scenes-{self.next}"
                running.append((path, draw(self.program, path, self.seed, self.next, self.shard)))
                self.next += self.shard
            if not running:
                return
            path, process = running.pop(0)
            if process.wait() != 0:
                return
            pixels, boxes, labels = read(path)
            os.remove(path)
            os.remove(f"{path}.json")
            # A scene that a step reads at this moment may be half of each; one in many thousands, which is let be.
            at = put % self.capacity
            n = min(len(labels), self.capacity - at)
            self.pixels[at:at + n].copy_(pixels[:n])
            self.boxes[at:at + n].copy_(boxes[:n])
            self.labels[at:at + n].copy_(labels[:n])
            if self.pixels.is_cuda:
                torch.cuda.current_stream().synchronize()
            put = put + n
            self.count = min(put, self.capacity)
            self.filled.fill_(self.count)
        for _, process in running:
            process.kill()
            process.wait()

    def batch(self, size):
        """Random scenes, mirrored by half, without waiting for the device."""
        device = self.boxes.device
        index = (torch.rand(size, device=device) * self.filled).long().clamp(max=self.capacity - 1)
        pixels, boxes, labels = self.pixels[index], self.boxes[index], self.labels[index]
        flip = torch.rand(size, device=device) < 0.5
        pixels = torch.where(flip[:, None, None, None], pixels.flip(2), pixels)
        mirrored = torch.cat((1 - boxes[..., :1], boxes[..., 1:]), dim=-1)
        return pixels, torch.where(flip[:, None, None], mirrored, boxes), labels
