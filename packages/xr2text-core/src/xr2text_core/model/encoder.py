"""The image encoder: any timm backbone, its last feature map as tokens.

Batch normalisation is frozen: its statistics are measured once, before training (docs/decisions/0010). So neither the
micro-batch nor the number of processes changes a result, and a step that is skipped leaves no trace.

Shapes: B batch, H height = width in pixels, N = G x G tokens of the feature map, row by row, C backbone channels.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Self

import timm
import torch
from timm.layers.fast_norm import is_fast_norm, set_fast_norm
from timm.models import group_parameters
from torch import Tensor, nn

from xr2text_core.run.errors import UserError

LARGEST_GRID = 16  # tokens a side that are cached on the disk: the 37 x 37 of RAD-DINO would take five times as much


class ImageEncoder(nn.Module):
    """Grey images to visual tokens."""

    def __init__(
        self, name: str, image_size: int, options: dict[str, Any], mean: float = 0.5, std: float = 0.25,
        largest_grid: int = 0,
    ) -> None:  # fmt: skip
        """`mean` and `std`: what is subtracted from grey values 0..1, and what they are divided by.

        `largest_grid`: the feature map is averaged to so many tokens a side where it has more; 0: never.
        """
        super().__init__()
        self.mean, self.std = mean, std
        self.largest_grid = largest_grid
        self.backbone = create_backbone(name, image_size, options)
        self.backbone.to(memory_format=torch.channels_last)  # makes convolutions on a CPU several times faster
        self.channels = int(self.backbone.num_features)
        self.is_checkpointing = False
        self.is_frozen = False
        self.train()

    def train(self, mode: bool = True) -> Self:
        """As usual, but layers that would collect statistics stay in eval mode, and so does all that is frozen."""
        super().train(mode and not self.is_frozen)
        for norm in self._norms():
            norm.eval()
        return self

    def freeze(self) -> None:
        """Never change again: no gradients, nothing kept for a backward pass, no dropout."""
        self.is_frozen = True
        self.requires_grad_(False)
        self.eval()

    def measure_statistics(self, batches: Iterable[Tensor]) -> None:
        """Set the statistics of batch normalisation, where there is any, to those of images like these (B, 1, H, H).

        Weights do not change.
        """
        if not (norms := self._norms()):
            return
        momenta = [norm.momentum for norm in norms]
        was_training = self.training
        self.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        with torch.no_grad():
            for images in batches:
                self(images)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.train(was_training)

    def freeze_stages(self, count: int) -> None:
        """Keep the weights of the first stages (the stem is one) as they are: ImageNet's edges are those of films.

        UserError where timm does not tell the stages of this architecture.
        """
        if count and not hasattr(self.backbone, "group_matcher"):
            raise UserError("--freeze-stages: timm tells no stages of this --encoder; add --freeze-stages 0")
        groups = group_parameters(self.backbone, self.backbone.group_matcher(coarse=True)) if count else {}
        frozen = {name for number in sorted(groups)[:count] for name in groups[number]}
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name not in frozen)

    def fingerprint(self, purpose: str = "") -> str:
        """The same for the same weights, used in the same way."""
        digest = hashlib.sha256(f"{self.mean} {self.std} {self.largest_grid} {purpose}".encode())
        digest.update(repr(self.backbone).encode())
        for name, tensor in self.backbone.state_dict().items():
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def _norms(self) -> list[Any]:
        return [each for each in self.backbone.modules() if getattr(each, "running_mean", None) is not None]

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, H), values 0..1 -> tokens (B, N, C)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            features: Tensor = self.backbone.forward_features((images - self.mean) / self.std)
        if features.ndim == 4:
            tokens = _map_to_tokens(features, self.channels)
        else:
            tokens = features[:, getattr(self.backbone, "num_prefix_tokens", 0) :]
        return pooled(tokens, self.largest_grid) if self.largest_grid else tokens

    def enable_gradient_checkpointing(self) -> bool:
        """Recompute activations in the backward pass: less memory, slower. Returns whether that is new and possible."""
        if self.is_checkpointing or self.is_frozen:
            return False
        try:
            self.backbone.set_grad_checkpointing(True)
        except (AttributeError, AssertionError):  # what timm raises for a backbone that cannot
            return False
        self.is_checkpointing = True
        return True


def create_backbone(
    name: str, image_size: int, options: dict[str, Any], pretrained: bool = False, overlay: dict[str, Any] | None = None
) -> Any:
    """A timm model (nn.Module) without classifier for grey images; passes the image size to those that need it.

    `overlay`: weights for timm to load, its `state_dict` and the `num_classes` of their classifier: all must arrive.
    """
    num_classes = overlay["num_classes"] if overlay else 0  # where these differ, timm loads what happens to fit
    arguments = {"pretrained": pretrained, "in_chans": 1, "num_classes": num_classes, **options}
    arguments |= {"pretrained_cfg_overlay": overlay} if overlay else {}
    backbone: Any
    with _fast_norms():
        try:
            backbone = timm.create_model(name, img_size=image_size, **arguments)
        except TypeError:  # convolutional backbones take any size
            backbone = timm.create_model(name, **arguments)
    if num_classes:
        backbone.reset_classifier(0)
    backbone.head = nn.Identity()  # ConvNeXt keeps a norm there: weights without a gradient, which DDP refuses
    return backbone


@contextmanager
def _fast_norms() -> Iterator[None]:
    """Norms of models that timm creates meanwhile stay in 16 bits under autocast; PyTorch's kernels sum in 32 anyway.

    Not beside apex, whose norm timm would then call on a CPU too.
    """
    before = is_fast_norm()  # type: ignore[no-untyped-call]
    set_fast_norm(before or find_spec("apex") is None)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        set_fast_norm(before)  # type: ignore[no-untyped-call]


def _map_to_tokens(features: Tensor, channels: int) -> Tensor:
    """(B, C, G, G) as most backbones give it, or (B, G, G, C) as Swin does, -> (B, N, C)."""
    if features.shape[1] == channels and features.shape[-1] != channels:
        return features.flatten(2).transpose(1, 2)
    return features.flatten(1, 2)


def pooled(tokens: Tensor, side: int) -> Tensor:
    """Tokens (B, N, C) on a grid of `side` a side where theirs is finer: each the mean of the area that it covers.

    Matrix products: on a GPU the gradient of adaptive pooling is not deterministic, and it is not in ONNX.
    """
    old = math.isqrt(tokens.shape[1])
    if old <= side:
        return tokens
    fine, coarse = torch.arange(old, device=tokens.device), torch.arange(side, device=tokens.device).unsqueeze(1)
    low, high = (fine * side).maximum(coarse * old), ((fine + 1) * side).minimum((coarse + 1) * old)
    weights = ((high - low).clamp_min(0) / old).to(tokens)  # (side, old); each row sums to 1
    rows = weights @ tokens.reshape(tokens.shape[0], old, -1)  # (B, side, old * C); len() would fix B in ONNX
    return (weights @ rows.view(tokens.shape[0], side, old, -1)).flatten(1, 2)
