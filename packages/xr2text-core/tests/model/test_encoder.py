"""Whatever the backbone, its tokens are those of the feature map, row by row."""

from typing import Any

import pytest
import torch
from timm.layers import is_fast_norm

from xr2text_core.model.encoder import ImageEncoder
from xr2text_core.model.weights import PHANTOM_ENCODER
from xr2text_core.run.errors import UserError

TINY_SWIN = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
TINY_VIT = {"embed_dim": 24, "depth": 1, "num_heads": 2}
BACKBONES = [
    (*PHANTOM_ENCODER, 64, 16),
    ("swin_tiny_patch4_window7_224", TINY_SWIN, 128, 32),  # channels last
    ("test_vit", {}, 64, 16),  # a class token before the others
    ("test_resnet", {}, 128, 32),
    ("vit_small_patch14_reg4_dinov2", TINY_VIT, 56, 14),  # a class token and four registers before the others
    ("vit_small_patch16_dinov3", TINY_VIT, 64, 16),  # the same, of timm's other kind of vision transformer
]


@pytest.fixture(params=BACKBONES, ids=lambda parameters: parameters[0])
def encoder(request: pytest.FixtureRequest) -> ImageEncoder:
    name, options, image_size, _ = request.param
    torch.manual_seed(0)
    return ImageEncoder(name, image_size, options).eval()


@pytest.fixture
def image_size(request: pytest.FixtureRequest, encoder: ImageEncoder) -> int:
    return int(request.node.callspec.params["encoder"][2])


@torch.no_grad()
def test_there_is_one_token_for_each_cell(encoder: ImageEncoder, image_size: int) -> None:
    assert encoder(torch.rand(2, 1, image_size, image_size)).shape == (2, 16, encoder.channels)


@torch.no_grad()
def test_tokens_come_row_by_row(encoder: ImageEncoder, image_size: int) -> None:
    cell = image_size // 4
    plain = torch.full((1, 1, image_size, image_size), 0.5)
    for row, column in [(0, 0), (0, 3), (3, 0), (3, 3)]:
        image = plain.clone()
        spot = image[0, 0, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        spot.copy_(torch.rand(cell, cell, generator=torch.Generator().manual_seed(1)))
        change = (encoder(image) - encoder(plain)).norm(dim=-1)[0]
        assert int(change.argmax()) == 4 * row + column


@torch.no_grad()
def test_a_convolutional_backbone_takes_another_size_than_it_was_made_for() -> None:
    encoder = ImageEncoder("test_resnet", 128, {}).eval()
    assert encoder(torch.rand(1, 1, 64, 64)).shape == (1, 4, encoder.channels)


def test_a_frozen_encoder_keeps_its_weights_its_mode_and_nothing_for_a_backward_pass() -> None:
    encoder = ImageEncoder("test_vit", 64, {"drop_path_rate": 0.5, "proj_drop_rate": 0.5})
    images = torch.rand(2, 1, 64, 64)
    assert encoder(images).requires_grad
    encoder.freeze()
    encoder.train()
    tokens = encoder(images)
    assert not tokens.requires_grad and torch.equal(tokens, encoder(images))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.enable_gradient_checkpointing(), "there are no activations to recompute"


def test_recomputing_activations_changes_no_gradient() -> None:
    name, options = PHANTOM_ENCODER
    gradients: list[torch.Tensor] = []
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    for is_checkpointing in (False, True):
        torch.manual_seed(0)
        encoder: Any = ImageEncoder(name, 64, options)
        if is_checkpointing:
            assert encoder.enable_gradient_checkpointing()
            assert not encoder.enable_gradient_checkpointing()  # it is on already
        encoder(image).square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in encoder.parameters()]))
    torch.testing.assert_close(*gradients)


def test_a_backbone_that_cannot_recompute_says_so() -> None:
    encoder = ImageEncoder(*PHANTOM_ENCODER[:1], 64, PHANTOM_ENCODER[1])
    encoder.backbone = torch.nn.Identity()
    assert not encoder.enable_gradient_checkpointing()


def types_of_norms(encoder: ImageEncoder, dtype: torch.dtype | None) -> set[torch.dtype]:
    """What the encoder's norms give, under autocast to `dtype` or without it."""
    found: set[torch.dtype] = set()
    for module in encoder.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.register_forward_hook(lambda _, inputs, output: found.add(output.dtype))
    with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype is not None):
        encoder(torch.rand(2, 1, 64, 64))
    return found


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["convnext_atto", "test_vit"])
def test_norms_stay_in_16_bits_under_autocast_and_in_32_without(name: str, dtype: torch.dtype) -> None:
    encoder = ImageEncoder(name, 64, {}).eval()
    assert types_of_norms(encoder, None) == {torch.float32}
    assert types_of_norms(ImageEncoder(name, 64, {}).eval(), dtype) == {dtype}


def test_other_models_of_timm_keep_their_norms() -> None:
    ImageEncoder("test_vit", 64, {})
    assert not is_fast_norm()


def test_a_norm_of_apex_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xr2text_core.model.encoder.find_spec", lambda name: name == "apex")
    assert torch.float32 in types_of_norms(ImageEncoder("convnext_atto", 64, {}).eval(), torch.bfloat16)


def test_an_encoder_whose_stages_timm_does_not_tell_is_one_error() -> None:
    encoder = ImageEncoder("poolformer_s12", 64, {})
    with pytest.raises(UserError, match="--freeze-stages 0"):
        encoder.freeze_stages(2)
