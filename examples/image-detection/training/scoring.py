"""Average precision by the COCO definition (pycocotools, at most 100 detections a picture)."""

import contextlib
import io
import math
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from things import LABELS

# A thing's size is sqrt(box area / picture area).
SIZES = {"small": (0.0, 0.1), "medium": (0.1, 0.3), "large": (0.3, 1.0)}


@dataclass
class Truth:
    width: int  # pixels
    height: int  # pixels
    boxes: np.ndarray  # [things, 4] x1, y1, x2, y2 in pixels
    labels: np.ndarray  # [things]


@dataclass
class Found:
    boxes: np.ndarray  # [detections, 4] x1, y1, x2, y2 in pixels
    labels: np.ndarray  # [detections]
    scores: np.ndarray  # [detections]


def _coco_boxes(boxes: np.ndarray, truth: Truth) -> list[list[float]]:
    """x, y, width, height, in units where every picture has the area 1: sizes compare across pictures."""
    unit = math.sqrt(truth.width * truth.height)
    return [[x1 / unit, y1 / unit, (x2 - x1) / unit, (y2 - y1) / unit] for x1, y1, x2, y2 in boxes.tolist()]


def _mean(precision: np.ndarray) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")


def score(truths: list[Truth], founds: list[Found]) -> dict[str, float]:
    """mAP@[.5:.95], then AP50, AP75, one figure per size and one per label; nan where there is nothing to find."""
    annotations, detections = [], []
    for image, (truth, found) in enumerate(zip(truths, founds, strict=True), start=1):
        for bbox, label in zip(_coco_boxes(truth.boxes, truth), truth.labels.tolist()):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": 0,
                }
            )
        for bbox, label, value in zip(_coco_boxes(found.boxes, truth), found.labels.tolist(), found.scores.tolist()):
            detections.append(
                {
                    "id": len(detections) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "score": value,
                    "iscrowd": 0,
                }
            )
    images = [{"id": image} for image in range(1, len(truths) + 1)]
    categories = [{"id": number, "name": label} for number, label in enumerate(LABELS)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth_set, found_set = COCO(), COCO()
        truth_set.dataset = {"images": images, "annotations": annotations, "categories": categories}
        found_set.dataset = {"images": images, "annotations": detections, "categories": categories}
        truth_set.createIndex()
        found_set.createIndex()
        evaluation = COCOeval(truth_set, found_set, "bbox")
        evaluation.params.areaRng = [[0.0, 1e5]] + [[low**2, high**2] for low, high in SIZES.values()]
        evaluation.params.areaRngLbl = ["all", *SIZES]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # [IoU thresholds, recalls, labels, sizes, maximum detections]
    figures = {
        "mAP@[.5:.95]": _mean(precision[:, :, :, 0, -1]),
        "AP50": _mean(precision[0, :, :, 0, -1]),
        "AP75": _mean(precision[5, :, :, 0, -1]),
    }
    figures |= {size: _mean(precision[:, :, :, number, -1]) for number, size in enumerate(SIZES, start=1)}
    figures |= {label: _mean(precision[:, :, number, 0, -1]) for number, label in enumerate(LABELS)}
    return figures


def report(figures: dict[str, float]) -> str:
    return "\n".join(f"{name:14} {value:.3f}" for name, value in figures.items())
