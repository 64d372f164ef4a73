"""The image encoder: any timm backbone, its last feature map as tokens.

Shapes: B batch, H height = width in pixels, N = G x G tokens of the feature map, row by row, C backbone channels.
"""

from typing import Any

import timm
import torch
from torch import Tensor, nn


class ImageEncoder(nn.Module):
    """Grey images to visual tokens."""

    def __init__(self, name: str, image_size: int, options: dict[str, Any], pretrained: bool = False) -> None:
        super().__init__()
        self.backbone = create_backbone(name, image_size, options, pretrained)
        self.backbone.to(memory_format=torch.channels_last)  # makes convolutions on a CPU several times faster
        self.channels = int(self.backbone.num_features)
        self.is_checkpointing = False

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, H), values 0..1 -> tokens (B, N, C)."""
        features: Tensor = self.backbone.forward_features((images - 0.5) / 0.25)
        if features.ndim == 4:
            return _map_to_tokens(features, self.channels)
        return features[:, getattr(self.backbone, "num_prefix_tokens", 0) :]

    def enable_gradient_checkpointing(self) -> bool:
        """Recompute activations in the backward pass: less memory, slower. Returns whether that is new and possible."""
        if self.is_checkpointing:
            return False
        try:
            self.backbone.set_grad_checkpointing(True)
        except (AttributeError, AssertionError):  # what timm raises for a backbone that cannot
            return False
        self.is_checkpointing = True
        return True


def create_backbone(name: str, image_size: int, options: dict[str, Any], pretrained: bool) -> Any:
    """A timm model (nn.Module) without classifier for grey images; passes the image size to those that need it."""
    arguments = {"pretrained": pretrained, "in_chans": 1, "num_classes": 0, **options}
    try:
        backbone = timm.create_model(name, img_size=image_size, **arguments)
    except TypeError:  # convolutional backbones take any size
        backbone = timm.create_model(name, **arguments)
    backbone.head = nn.Identity()  # ConvNeXt keeps a norm there: weights without a gradient, which DDP refuses
    return backbone


def _map_to_tokens(features: Tensor, channels: int) -> Tensor:
    """(B, C, G, G) as most backbones give it, or (B, G, G, C) as Swin does, -> (B, N, C)."""
    if features.shape[1] == channels and features.shape[-1] != channels:
        return features.flatten(2).transpose(1, 2)
    return features.flatten(1, 2)
