"""The training loss: which cells answer for which thing, and how good their answers are.

Cells are assigned by how well they already predict a thing (task alignment: score x IoU^4), as in TOOD and YOLOv8;
their target score is the IoU they can reach, so that scores rank boxes by how well they fit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from network import boxes_from

CELLS_PER_THING = 10


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """Boxes [B, M, 4] and [B, C, 4] -> IoU [B, M, C]."""
    a, b = first.unsqueeze(2), second.unsqueeze(1)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    area = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / area.clamp(min=1e-6)


def generalised_iou(first: Tensor, second: Tensor) -> Tensor:
    """Boxes [..., 4] and [..., 4] -> GIoU [...], in -1..1."""
    shared = (
        (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2]))
        .clamp(min=0)
        .prod(-1)
    )
    union = (first[..., 2:] - first[..., :2]).prod(-1) + (second[..., 2:] - second[..., :2]).prod(-1) - shared
    hull = (torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])).prod(-1)
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, centres: Tensor, truth: Tensor, labels: Tensor, real: Tensor):
    """Which thing each cell answers for.

    scores [B, C, classes], boxes [B, C, 4], centres [C, 2]; truth [B, M, 4], labels [B, M], real [B, M] (False: padding).
    Returns thing [B, C] (an index into M) and target [B, C], the score to reach, 0 where a cell answers for nothing.
    """
    cells = boxes.shape[1]
    iou = pairwise_iou(truth, boxes)  # [B, M, C]
    score = scores.transpose(1, 2).gather(1, labels.unsqueeze(2).expand(-1, -1, cells))
    middle, half = (truth[..., :2] + truth[..., 2:]) / 2, ((truth[..., 2:] - truth[..., :2]) / 2).clamp(min=4.1)
    inside = ((centres - middle.unsqueeze(2)).abs() < half.unsqueeze(2)).all(-1) & real.unsqueeze(2)
    alignment = (score.clamp(min=1e-4) * iou.clamp(min=1e-3).pow(4)) * inside
    threshold = alignment.topk(CELLS_PER_THING, dim=2).values[..., -1:]
    chosen = inside & (alignment >= threshold)
    best = torch.where(chosen, iou + 1.0, torch.zeros(())).max(dim=1)  # a cell wanted twice takes the better fit
    mine = chosen & (torch.arange(truth.shape[1]).view(1, -1, 1) == best.indices.unsqueeze(1))
    alignment, iou = alignment * mine, iou * mine
    target = alignment / alignment.amax(dim=2, keepdim=True).clamp(min=1e-12) * iou.amax(dim=2, keepdim=True)
    return best.indices, target.amax(dim=1)


def detection_loss(
    logits: Tensor, distances: Tensor, centres: Tensor, truth: Tensor, labels: Tensor, real: Tensor
) -> tuple[Tensor, Tensor]:
    """Class loss and box loss, each a scalar; shapes as in `assign`."""
    boxes = boxes_from(centres, distances)
    thing, target = assign(logits.detach().sigmoid(), boxes.detach(), centres, truth, labels, real)
    total = target.sum().clamp(min=1.0)
    wanted = F.one_hot(labels.gather(1, thing), logits.shape[2]) * target.unsqueeze(2)
    class_loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / total
    positive = target > 0
    their_truth = truth.gather(1, thing.unsqueeze(2).expand(-1, -1, 4))[positive]
    box_loss = ((1.0 - generalised_iou(boxes[positive], their_truth)) * target[positive]).sum() / total
    return class_loss, box_loss
