"""The image encoder and its regions as an ONNX file: findings and attention without PyTorch.

The decoder is not included: reports need PyTorch. Shapes are those of `VisualOutput`.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from xr2text_core.model.visual import VisualOutput
from xr2text_core.model.xr2text import XR2TextModel

ONNX_FILE = "encoder.onnx"
OUTPUTS = ("visual_tokens", "finding_logits", "routing", "region_attention")


class _Tensors(nn.Module):
    """The encoder with its output as a tuple in the order of OUTPUTS."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixel_values: Tensor) -> tuple[Tensor | None, ...]:
        seen: VisualOutput = self.encoder(pixel_values)
        return seen.last_hidden_state, seen.finding_logits, seen.routing, seen.region_attention


def write_onnx(model: XR2TextModel, path: Path) -> None:
    """Frontal films `pixel_values` (B, 1, H, H), 0..1, for any number B of them. It takes no lateral ones."""
    size = model.config.image_size
    program = torch.onnx.export(
        _Tensors(model.encoder).eval(),
        (torch.zeros(2, 1, size, size),),
        input_names=["pixel_values"],
        output_names=list(OUTPUTS),
        dynamic_shapes={"pixel_values": {0: torch.export.Dim("images", min=1)}},
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # with dynamo it returns the program
    program.save(str(path))
