"""A DINOv2 of transformers, RAD-DINO for one, gives the same tokens through our encoder."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from xr2text_core.model.build import model_config
from xr2text_core.model.encoder import ImageEncoder
from xr2text_core.model.weights import WeightsError, encoder_source, pretrained_backbone
from xr2text_core.report.tokenizer import ReportTokenizer

SIZES: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    "layerscale_value": 0.7, "mlp_ratio": 3,
}  # fmt: skip
MEAN, DEVIATION = [0.5307, 0.4, 0.6], [0.2583, 0.3, 0.2]
KINDS = {"plain": (Dinov2Model, Dinov2Config), "with registers": (Dinov2WithRegistersModel, Dinov2WithRegistersConfig)}
OLD_NAMES = (
    (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"),
    (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"),
)


def saved(kind: str, folder: Path) -> Any:
    """A tiny model in a folder; no weight of it has a default value."""
    torch.manual_seed(0)
    of, config = KINDS[kind]
    model = of(config(**SIZES)).eval()
    for tensor in model.state_dict().values():
        tensor.add_(torch.randn_like(tensor) * 0.1)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": DEVIATION}))
    return model


def tokens(folder: Path, images: Tensor) -> Tensor:
    """What our encoder makes of grey images."""
    source = encoder_source(str(folder))
    encoder = ImageEncoder(source.name, images.shape[-1], source.options).eval()
    encoder.backbone.load_state_dict(pretrained_backbone(str(folder), images.shape[-1]).state_dict())
    with torch.no_grad():
        return encoder(images)


def rename(folder: Path, names: tuple[tuple[str, str], ...], prefix: str = "") -> None:
    state = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        for pattern, other in names:
            name = re.sub(pattern, other, name)
        state[prefix + name] = tensor
    save_file(state, folder / "model.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("generation", ["as it is saved", "of older transformers"])
@torch.no_grad()
def test_tokens_are_those_of_transformers(kind: str, generation: str, tmp_path: Path) -> None:
    model = saved(kind, tmp_path)
    if generation == "of older transformers":
        rename(tmp_path, OLD_NAMES, "dinov2.")
    images = torch.rand(2, 1, 56, 56)
    colour = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    prefix = 1 + getattr(model.config, "num_register_tokens", 0)
    theirs = model(colour).last_hidden_state[:, prefix:]
    assert theirs.std() > 0.5
    torch.testing.assert_close(tokens(tmp_path, images), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_another_image_size_resizes_the_positions_alone(kind: str, tmp_path: Path) -> None:
    saved(kind, tmp_path)
    assert tokens(tmp_path, torch.rand(1, 1, 84, 84)).shape == (1, 36, 32)
    small, large = (pretrained_backbone(str(tmp_path), size).state_dict() for size in (56, 84))
    assert [name for name in small if small[name].shape != large[name].shape] == ["pos_embed"]
    assert all(torch.equal(small[name], large[name]) for name in small if name != "pos_embed")


def test_an_image_that_patches_do_not_cover_is_refused_with_sizes_that_do(
    tmp_path: Path, tokenizer: ReportTokenizer
) -> None:
    saved("plain", tmp_path)
    with pytest.raises(WeightsError, match=r"--image-size 60: .* patches of 14 px, .*: 56 or 70"):
        model_config(str(tmp_path), "phantom", False, 60, 48, tokenizer)


def test_a_variant_that_timm_computes_otherwise_is_refused(tmp_path: Path) -> None:
    Dinov2Model(Dinov2Config(**SIZES, use_swiglu_ffn=True)).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="SwiGLU"):
        encoder_source(str(tmp_path))


def test_a_weight_that_is_missing_is_named(tmp_path: Path) -> None:
    saved("plain", tmp_path)
    rename(tmp_path, ((r"^layernorm", "other"),))
    with pytest.raises(WeightsError, match=r"Missing key.*norm\.weight"):
        pretrained_backbone(str(tmp_path), 56)


def test_the_model_of_the_hub_is_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("plain", tmp_path)
    asked: list[str] = []

    def download(repository: str, file: str = "", **_: Any) -> str:
        asked.append(repository)
        return str(tmp_path / file)

    monkeypatch.setattr("xr2text_core.model.weights.hf_hub_download", download)
    monkeypatch.setattr("xr2text_core.model.weights.snapshot_download", download)
    theirs = pretrained_backbone("microsoft/rad-dino", 56).state_dict()
    ours = pretrained_backbone(str(tmp_path), 56).state_dict()
    assert asked == ["microsoft/rad-dino"] * 2
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_model_of_the_hub_out_of_reach_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"--encoder microsoft/no-such-dino: .*local folder"):
        encoder_source("microsoft/no-such-dino")
