"""Trains the detector on rendered pictures, exports it as ONNX and measures it with ONNX Runtime.

    python train.py --output ../models/detector

One process renders new pictures while this one trains on them and on pictures it has already seen, flipped and
zoomed: two cores are busy. The pictures, their order and every random number follow from the seeds.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import network
from evaluate import measure_onnx
from loss import detection_loss
from scenes import LABELS, TRAINING_SEED, UNSEEN_SEED, VALIDATION_SEED, render
from scoring import report

BATCH, FRESH = 16, 4  # pictures in a step; how many of them are new
REMEMBERED = 6000  # pictures kept to be seen again
MOST_THINGS = 6
PEAK_RATE, WEIGHT_DECAY, WARM_UP = 2e-3, 0.03, 200  # the last in steps
SIDES = [
    (0.0, 192),
    (0.4, 256),
    (0.75, 320),
]  # from this share of the steps on, pictures have this side: cheap ones first
BOX_WEIGHT = 2.5


class Pictures(Dataset):
    """Picture i of the training series at 320x320: pixels [3, 320, 320] uint8, boxes [6, 4] in pixels, labels [6]
    (-1 where there is no thing)."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        picture = render(TRAINING_SEED, index, network.INPUT_SIDE)
        shrunk = picture.pixels.reshape(network.SIDE, 2, network.SIDE, 2, 3).mean(axis=(1, 3), dtype=np.float32)
        boxes, labels = torch.zeros(MOST_THINGS, 4), torch.full((MOST_THINGS,), -1)
        boxes[: len(picture.boxes)] = torch.from_numpy(picture.boxes) / 2
        labels[: len(picture.labels)] = torch.from_numpy(picture.labels)
        return torch.from_numpy(shrunk.round().astype(np.uint8)).permute(2, 0, 1).contiguous(), boxes, labels


class Memory:
    """The latest pictures, to draw from at random."""

    def __init__(self, capacity: int):
        self.pixels = torch.empty(capacity, 3, network.SIDE, network.SIDE, dtype=torch.uint8)
        self.boxes = torch.empty(capacity, MOST_THINGS, 4)
        self.labels = torch.empty(capacity, MOST_THINGS, dtype=torch.int64)
        self.capacity, self.added = capacity, 0

    def add(self, pixels: Tensor, boxes: Tensor, labels: Tensor) -> None:
        slots = (self.added + torch.arange(len(pixels))) % self.capacity
        self.pixels[slots], self.boxes[slots], self.labels[slots] = pixels, boxes, labels
        self.added += len(pixels)

    def sample(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        chosen = torch.randint(min(self.added, self.capacity), (count,))
        return self.pixels[chosen], self.boxes[chosen], self.labels[chosen]


def vary(pixels: Tensor, boxes: Tensor, labels: Tensor, unchanged: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Flips, zooms, shifts and recolours all but the first `unchanged` pictures; brings all to `side`.

    pixels [B, 3, 320, 320] uint8 -> [B, 3, side, side] in 0..1. The label of a box that leaves the picture becomes -1.
    """
    count = len(pixels)
    zoom = torch.empty(count, 1).uniform_(math.log(0.75), math.log(1.5)) + torch.empty(count, 2).uniform_(-0.08, 0.08)
    zoom = zoom.exp()  # [B, 2]: how much larger things become, in x and y
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    gain, offset = torch.empty(count, 3, 1, 1).uniform_(0.85, 1.15), torch.empty(count, 1, 1, 1).uniform_(-0.05, 0.05)
    for values, neutral in ((zoom, 1.0), (mirror, 1.0), (gain, 1.0), (offset, 0.0)):
        values[:unchanged] = neutral
    shift = torch.empty(count, 2).uniform_(-1, 1) * (1 - 1 / zoom).abs()

    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, :, 2] = mirror / zoom[:, 0], 1 / zoom[:, 1], shift
    grid = F.affine_grid(matrix, [count, 3, side, side], align_corners=False)
    varied = F.grid_sample(pixels.float() / 255, grid, align_corners=False)
    varied = (varied * gain + offset).clamp(0, 1)

    # An output point p shows the input point matrix * p, both in -1..1, so a box moves by the inverse.
    scale = torch.stack([mirror * zoom[:, 0], zoom[:, 1]], dim=1).view(count, 1, 1, 2)
    corners = (boxes.view(count, -1, 2, 2) * 2 / network.SIDE - 1 - shift.view(count, 1, 1, 2)) * scale
    corners = ((corners + 1) * side / 2).sort(dim=2).values
    whole = (corners[:, :, 1] - corners[:, :, 0]).prod(-1)
    corners = corners.clamp(0, side)
    left = (corners[:, :, 1] - corners[:, :, 0]).prod(-1)
    return varied, corners.reshape(count, -1, 4), torch.where(left > 0.4 * whole, labels, -1)


def learning_rate(step: int, steps: int) -> float:
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (steps - WARM_UP))))


@torch.no_grad()
def follow(average: network.Network, model: network.Network, step: int) -> None:
    """Moves the averaged weights a little towards the trained ones."""
    share = max(0.002, 10 / (step + 10))
    for slow, fast in zip(average.state_dict().values(), model.state_dict().values()):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, share)
        else:
            slow.copy_(fast)


def train(steps: int, bfloat16: bool, path: Path) -> network.Network:
    """Trains for a number of steps, exporting to `path` now and then; returns the averaged network."""
    torch.manual_seed(TRAINING_SEED)
    model = network.Network(len(LABELS)).to(memory_format=torch.channels_last)
    average = copy.deepcopy(model)
    centres = {side: network.cell_centres(side) for _, side in SIDES}
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    )
    memory = Memory(REMEMBERED)
    loader = DataLoader(Pictures(steps * FRESH), batch_size=FRESH, num_workers=1, prefetch_factor=16)
    started, sums = time.monotonic(), np.zeros(2)
    for step, fresh in enumerate(loader):
        memory.add(*fresh)
        side = max(side for share, side in SIDES if step >= share * steps)
        batch = (torch.cat(pair) for pair in zip(fresh, memory.sample(BATCH - FRESH)))
        pixels, boxes, labels = vary(*batch, unchanged=FRESH, side=side)

        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits, distances = model(pixels.contiguous(memory_format=torch.channels_last))
        class_loss, box_loss = detection_loss(
            logits.float(), distances.float(), centres[side], boxes, labels.clamp(min=0), labels >= 0
        )
        optimiser.zero_grad()
        (class_loss + BOX_WEIGHT * box_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        follow(average, model, step)

        sums += class_loss.item(), box_loss.item()
        if (step + 1) % 100 == 0:
            print(
                f"step {step + 1}/{steps}  class loss {sums[0] / 100:.3f}  box loss {sums[1] / 100:.3f}  "
                f"{(time.monotonic() - started) / 60:.1f} min elapsed, {time.process_time() / 60:.1f} min CPU in this process",
                flush=True,
            )
            sums[:] = 0
        if (step + 1) % 1000 == 0 and step + 1 < steps:
            network.export(copy.deepcopy(average), str(path))
            print(f"validation mAP so far: {measure_onnx(path, VALIDATION_SEED, 60)['mAP@[.5:.95]']:.3f}", flush=True)
    return average.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder of the model in a Triton repository")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=300, help="how many pictures to measure on")
    parser.add_argument("--float32", action="store_true", help="for a processor without bfloat16 instructions; slower")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the other core renders

    path = arguments.output / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = train(arguments.steps, not arguments.float32, path)
    network.export(trained, str(path))
    (arguments.output / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    print(f"{path}: {path.stat().st_size} bytes, {sum(p.numel() for p in trained.parameters())} parameters", flush=True)
    for name, seed in (("validation", VALIDATION_SEED), ("unseen", UNSEEN_SEED)):
        print(f"{name}: {arguments.pictures} pictures of seed {seed}, ONNX Runtime")
        print(report(measure_onnx(path, seed, arguments.pictures)), flush=True)


if __name__ == "__main__":
    main()
