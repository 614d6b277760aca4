"""Lets torchvision be imported beside a CPU build of torch, where there is no build of it for that.

    pip install --no-deps --target DIR torchvision
    PYTHONPATH=DIR:. python -m pytest -p tests.omni.torchvision_ops tests/omni/test_processor_equality.py

The registry's torchvision is compiled against CUDA and does not load here; its pictures are resized and normalised by
torch alone, but its import wants two operators (for boxes, unused by processors) to be declared.
"""

import torch

OPERATORS = torch.library.Library("torchvision", "DEF")  # kept: what it declares goes when it does
for name in ("nms", "qnms"):
    OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
