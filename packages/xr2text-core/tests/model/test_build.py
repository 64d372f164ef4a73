"""Building a model: from scratch without a network, around pretrained parts from a folder, or one clear error."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import save_for_hf
from tokenizers import Tokenizer
from transformers import BartConfig, BartModel

from xr2text_core.model import weights as weights_module
from xr2text_core.model.build import build_model, load_tokenizer
from xr2text_core.model.encoder import create_backbone
from xr2text_core.model.weights import WeightsError
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer

TEXTS = ["the heart is normal in size .", "there is no pleural effusion ."] * 3


MARK = 0.01  # what all weights of the made-up pretrained encoder are


@dataclass(frozen=True)
class Pretrained:
    """A tiny BART in a folder, as transformers saves it."""

    folder: Path
    model: BartModel
    tokenizer: ReportTokenizer


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretrained:
    tokenizer = ReportTokenizer.learn(TEXTS)
    torch.manual_seed(0)
    bart = BartModel(
        BartConfig(
            vocab_size=len(tokenizer), d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
        )
    )  # fmt: skip
    torch.nn.init.normal_(bart.decoder.layernorm_embedding.bias)  # so that no default value passes for a copy
    bart.save_pretrained(tmp_path)
    Tokenizer.from_str(tokenizer.to_json()).save(str(tmp_path / "tokenizer.json"))

    def offline_backbone(
        name: str, image_size: int, options: dict[str, Any], pretrained: bool = False
    ) -> torch.nn.Module:
        backbone = create_backbone(name, image_size, options, pretrained=False)
        for parameter in backbone.parameters() if pretrained else ():
            torch.nn.init.constant_(parameter, MARK)
        return backbone

    monkeypatch.setattr(weights_module, "create_backbone", offline_backbone)  # its weights would come from the hub
    return Pretrained(tmp_path, bart, tokenizer)


def built(source: Pretrained, tokenizer: ReportTokenizer | None = None, max_tokens: int = 48) -> XR2TextModel:
    return build_model("test_resnet", str(source.folder), "both", 64, max_tokens, tokenizer or source.tokenizer)


def test_every_weight_of_a_pretrained_decoder_arrives(pretrained: Pretrained) -> None:
    model = built(pretrained)
    source = pretrained.model.decoder.state_dict()
    assert set(model.decoder.state_dict()) == set(source)
    for name, weights in model.decoder.state_dict().items():
        assert torch.equal(weights, source[name]), name
    assert torch.equal(model.lm_head.weight, source["embed_tokens.weight"])


def test_every_weight_of_a_pretrained_encoder_arrives(pretrained: Pretrained) -> None:
    backbone = built(pretrained).encoder.images.backbone
    assert all((parameter == MARK).all() for parameter in backbone.parameters())


def test_from_scratch_a_local_decoder_gives_its_sizes_and_not_its_weights(pretrained: Pretrained) -> None:
    model = build_model("test_resnet", str(pretrained.folder), "none", 64, 48, pretrained.tokenizer)
    assert model.config.bart["d_model"] == 32
    source = pretrained.model.decoder.state_dict()["layers.0.fc1.weight"]
    assert not torch.equal(model.decoder.state_dict()["layers.0.fc1.weight"], source)


def test_longer_reports_keep_the_positions_that_were_learned(pretrained: Pretrained) -> None:
    model = built(pretrained, max_tokens=100)
    learned = pretrained.model.decoder.embed_positions.weight
    assert torch.equal(model.decoder.embed_positions.weight[: len(learned)], learned)
    tokens = torch.full((1, 100), 5)
    assert model(pixel_values=torch.rand(1, 1, 64, 64), labels=tokens).loss.isfinite()


def test_a_tokenizer_that_grew_keeps_the_rows_that_were_learned(pretrained: Pretrained) -> None:
    grown = ReportTokenizer.learn([*TEXTS, *["cardiomegaly with bibasilar atelectasis"] * 3])
    assert len(grown) > len(pretrained.tokenizer)
    model = built(pretrained, grown)
    learned = pretrained.model.decoder.embed_tokens.weight
    assert model.lm_head.weight.shape[0] == len(grown)
    assert torch.equal(model.lm_head.weight[: len(learned)], learned)


def test_the_tokenizer_of_a_local_decoder_is_its_own(pretrained: Pretrained) -> None:
    tokenizer = load_tokenizer(str(pretrained.folder), True, ["other texts"])
    assert tokenizer.encode(TEXTS, 48) == pretrained.tokenizer.encode(TEXTS, 48)


def test_a_model_speaks_the_special_tokens_of_its_tokenizer(tokenizer: ReportTokenizer) -> None:
    config = build_model("phantom", "phantom", "none", 64, 48, tokenizer).config
    assert (config.pad_token_id, config.eos_token_id) == (tokenizer.pad_id, tokenizer.eos_id)
    assert config.decoder_start_token_id == tokenizer.eos_id
    assert config.vocab_size == len(tokenizer)


def test_the_longest_report_fits_the_positions(tokenizer: ReportTokenizer) -> None:
    model = build_model("phantom", "phantom", "none", 64, 300, tokenizer)
    assert model(pixel_values=torch.rand(1, 1, 64, 64), labels=torch.full((1, 300), 5)).loss.isfinite()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub answers at once that it cannot be reached."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["nobody/no-such-bart", "no/such/folder"])
def test_weights_out_of_reach_are_an_error_that_says_what_to_do(tokenizer: ReportTokenizer, name: str) -> None:
    for ask in (
        lambda: build_model("phantom", name, "both", 64, 48, tokenizer),
        lambda: load_tokenizer(name, True, TEXTS),
    ):
        with pytest.raises(WeightsError, match="--decoder") as error:
            ask()
        assert name in str(error.value)
        assert "--pretrained none" in str(error.value)
        assert "local folder" in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.usefixtures("offline")
def test_an_encoder_out_of_reach_is_an_error_that_names_its_flag(tokenizer: ReportTokenizer, tmp_path: Path) -> None:
    BartModel(BartConfig(d_model=32, encoder_layers=1, decoder_layers=1, vocab_size=len(tokenizer))).save_pretrained(
        tmp_path
    )
    with pytest.raises(WeightsError, match="--encoder"):
        build_model("convnext_atto.d2_in1k", str(tmp_path), "both", 64, 48, tokenizer)


def test_a_mistyped_encoder_is_an_error_that_names_its_flag(tokenizer: ReportTokenizer) -> None:
    with pytest.raises(WeightsError, match="--encoder convnext_bsae: timm"):
        build_model("convnext_bsae", "phantom", "none", 64, 48, tokenizer)


def test_an_encoder_comes_from_a_local_folder_and_the_model_does_not_need_it_later(
    pretrained: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "create_backbone", create_backbone)
    source = timm.create_model("test_resnet", in_chans=1, num_classes=0)
    save_for_hf(source, tmp_path / "encoder")
    model = build_model(str(tmp_path / "encoder"), str(pretrained.folder), "both", 64, 48, pretrained.tokenizer)
    weights = model.encoder.images.backbone.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in source.state_dict().items())
    shutil.rmtree(tmp_path / "encoder")
    XR2TextModel(model.config).load_state_dict(model.state_dict())


@pytest.mark.usefixtures("offline")
def test_a_folder_without_weights_is_named_as_a_folder(tokenizer: ReportTokenizer, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="from this folder"):
        build_model("phantom", str(tmp_path), "both", 64, 48, tokenizer)
