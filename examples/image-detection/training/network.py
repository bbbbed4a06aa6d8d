"""The detector: a small anchor-free network, and the graph around it that is exported.

`Network` maps pictures of 320x320 pixels to dense predictions at strides 8, 16 and 32, one per cell.
`Detector` wraps it for inference: 640x640 pixels in, a fixed number of sorted detections out, with plain tensor
operations only, so that any ONNX runtime can run it.
"""

import onnx
import torch
from torch import Tensor, nn

SIDE = 320  # pixels; what the network sees
INPUT_SIDE = 640  # pixels; what the exported model takes
STRIDES = (8, 16, 32)  # pixels of the 320x320 picture per cell


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """x + conv3x3(conv1x1(x)), the middle at half the width."""

    def __init__(self, width: int):
        super().__init__()
        self.squeeze = convolution(width, width // 2, kernel=1)
        self.expand = convolution(width // 2, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.expand(self.squeeze(x))


class Context(nn.Module):
    """Max-pooled copies of the coarsest features beside themselves: a cell sees the whole picture."""

    def __init__(self, width: int):
        super().__init__()
        self.squeeze = convolution(width, width // 2, kernel=1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.merge = convolution(width * 3 // 2, width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        near = self.pool(x)
        return self.merge(torch.cat([x, near, self.pool(near)], dim=1))


class Head(nn.Module):
    """The same convolutions on the features of every stride, side by side: [N, width, cells] -> [N, outputs, cells].

    Normalising all strides together keeps their statistics the same in training and afterwards.
    """

    def __init__(self, width: int, outputs: int, bias: float):
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm1d(width, eps=1e-3, momentum=0.03)
        self.predict = nn.Conv1d(width, outputs, 1)
        nn.init.constant_(self.predict.bias, bias)

    def forward(self, levels: tuple[Tensor, ...]) -> Tensor:
        cells = torch.cat([self.convolution(level).flatten(2) for level in levels], dim=2)
        return self.predict(self.normalise(cells).relu())


class Network(nn.Module):
    """[N, 3, 320, 320] RGB in 0..1 -> class logits [N, 2100, classes] and distances [N, 2100, 4].

    The distances are from the cell's centre to the left, top, right and bottom of the box, in pixels of the 320x320
    picture. Cells are ordered by stride (8, 16, 32), then row, then column. Other sides that 32 divides work too.
    """

    def __init__(self, classes: int, neck: int = 48):
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 16, stride=2), convolution(16, 32, stride=2), Residual(32))
        self.stage8 = nn.Sequential(convolution(32, 64, stride=2), Residual(64), Residual(64))
        self.stage16 = nn.Sequential(convolution(64, 96, stride=2), Residual(96), Residual(96))
        self.stage32 = nn.Sequential(convolution(96, 96, stride=2), Residual(96), Context(96))
        self.lateral8 = convolution(64, neck, kernel=1)
        self.lateral16 = convolution(96, neck, kernel=1)
        self.lateral32 = convolution(96, neck, kernel=1)
        self.smooth8 = convolution(neck, neck)
        self.smooth16 = convolution(neck, neck)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.class_head = Head(neck, classes, bias=-4.6)  # a cell starts at a score of 0.01
        self.box_head = Head(neck, 4, bias=1.0)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        c8 = self.stage8(self.stem(pictures))
        c16 = self.stage16(c8)
        p32 = self.lateral32(self.stage32(c16))
        p16 = self.smooth16(self.lateral16(c16) + self.up(p32))
        p8 = self.smooth8(self.lateral8(c8) + self.up(p16))
        strides = torch.cat(
            [torch.full_like(level[:1, :1], stride).flatten(2) for level, stride in zip((p8, p16, p32), STRIDES)], dim=2
        )
        distances = self.box_head((p8, p16, p32)).clamp(-6.0, 4.0).exp() * strides
        return self.class_head((p8, p16, p32)).transpose(1, 2), distances.transpose(1, 2)


def cell_centres(side: int = SIDE) -> Tensor:
    """[cells, 2] x and y of every cell's centre, in pixels of a square picture; 2100 cells at 320x320."""
    levels = []
    for stride in STRIDES:
        ticks = (torch.arange(side // stride) + 0.5) * stride
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        levels.append(torch.stack([x, y], dim=-1).reshape(-1, 2))
    return torch.cat(levels)


def boxes_from(centres: Tensor, distances: Tensor) -> Tensor:
    """Centres [..., 2] and distances [..., 4] -> boxes [..., 4] as x1, y1, x2, y2."""
    return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)


class Detector(nn.Module):
    """What is exported: [N, 3, 640, 640] RGB in 0..1 -> [N, 100, 6].

    A row is x1, y1, x2, y2 in pixels of the 640x640 input, the score in 0..1 and the index of the class. Rows are
    sorted by score; a row that another one of its class overlaps (IoU above `overlap`) has score 0.
    """

    def __init__(self, network: Network, candidates: int = 200, rows: int = 100, overlap: float = 0.6):
        super().__init__()
        self.network = network
        self.shrink = nn.AvgPool2d(INPUT_SIDE // SIDE)
        self.candidates, self.rows, self.overlap = candidates, rows, overlap
        self.register_buffer("centres", cell_centres())

    def forward(self, pictures: Tensor) -> Tensor:
        logits, distances = self.network(self.shrink(pictures))
        boxes = boxes_from(self.centres, distances).clamp(0.0, float(SIDE)) * (INPUT_SIDE / SIDE)
        best = logits.max(dim=2, keepdim=True).values
        label = logits.argmax(dim=2, keepdim=True).to(boxes.dtype)
        found = torch.cat([boxes, best.sigmoid(), label], dim=2)

        order = best.squeeze(2).topk(self.candidates, dim=1).indices
        found = found.gather(1, order.unsqueeze(2).expand(-1, -1, 6))
        found = torch.cat([found[:, :, :4], found[:, :, 4:5] * self.survives(found), found[:, :, 5:]], dim=2)
        order = found[:, :, 4].topk(self.rows, dim=1).indices
        return found.gather(1, order.unsqueeze(2).expand(-1, -1, 6))

    def survives(self, found: Tensor) -> Tensor:
        """[N, candidates, 6] sorted by score -> [N, candidates, 1]: 1.0 to keep, 0.0 for a duplicate."""
        x1, y1, x2, y2, _, label = found.split(1, dim=2)  # each [N, candidates, 1]
        across = [column.transpose(1, 2) for column in (x1, y1, x2, y2, label)]
        width = (torch.minimum(x2, across[2]) - torch.maximum(x1, across[0])).clamp(min=0.0)
        height = (torch.minimum(y2, across[3]) - torch.maximum(y1, across[1])).clamp(min=0.0)
        shared = width * height
        area = (x2 - x1) * (y2 - y1)
        iou = shared / (area + area.transpose(1, 2) - shared + 1e-6)
        same = 1.0 - (label - across[4]).abs().clamp(max=1.0)
        by_better = (iou * same).triu(diagonal=1)  # [n, i, j]: 0 unless i has a better score than j
        worst = by_better.amax(dim=1, keepdim=True)  # [N, 1, candidates]
        return (worst <= self.overlap).to(found.dtype).transpose(1, 2)


def export(network: Network, path: str) -> None:
    """Writes the detector as ONNX, opset 17, with a dynamic batch."""
    detector = Detector(network).eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        detector,
        (torch.zeros(2, 3, INPUT_SIDE, INPUT_SIDE),),
        path,
        input_names=["input_0"],
        output_names=["output_0"],
        dynamic_axes={"input_0": {0: "batch"}, "output_0": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = detector.rows
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
