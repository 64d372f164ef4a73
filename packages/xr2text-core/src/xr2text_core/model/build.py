"""Builds a model: from scratch in the phantom size, or from pretrained parts by hub name or local folder."""

import json
from pathlib import Path
from typing import Any

import timm
import torch
from transformers import BartConfig, BartModel

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.encoder import create_backbone
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.run.errors import UserError

PHANTOM = "phantom"  # the name of both tiny parts
# A ResNet without normalisation layers (Brock et al. 2021): it learns from scratch as fast as one with batch norm, yet
# its output for a study never depends on the other studies of a micro-batch.
PHANTOM_ENCODER: tuple[str, dict[str, Any]] = (
    "nf_resnet26",
    {"depths": (1, 1, 1), "channels": (32, 64, 128), "stem_chs": 16, "act_layer": "relu"},
)
PHANTOM_DECODER: dict[str, Any] = {
    "d_model": 128,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 384,
    "max_position_embeddings": 128,
    "dropout": 0.1,
}
BART_BASE: dict[str, Any] = {
    "d_model": 768,
    "decoder_layers": 6,
    "decoder_attention_heads": 12,
    "decoder_ffn_dim": 3072,
}


class WeightsError(UserError):
    """Pretrained weights are not available; the message says what to do."""


def build_model(
    encoder: str,
    decoder: str,
    pretrained: bool,
    image_size: int,
    max_tokens: int,
    tokenizer: ReportTokenizer,
    views: str = "frontal",
    **options: Any,
) -> XR2TextModel:
    """A model ready for training; `encoder`: timm name or local folder, `decoder`: BART-family hub name or folder.

    `options`: further ones of XR2TextConfig.
    """
    config = model_config(encoder, decoder, pretrained, image_size, max_tokens, tokenizer, views)
    config.update({"findings_first": True, **options})
    model = XR2TextModel(config)
    if pretrained:
        _load_pretrained(model, encoder, decoder)
    return model


def model_config(
    encoder: str,
    decoder: str,
    pretrained: bool,
    image_size: int,
    max_tokens: int,
    tokenizer: ReportTokenizer,
    views: str = "frontal",
) -> XR2TextConfig:
    """The configuration of that model."""
    name, options = encoder_name(encoder)
    bart = _decoder_config(decoder, pretrained)
    bart = bart | {
        "vocab_size": max(len(tokenizer), bart["vocab_size"]) if pretrained else len(tokenizer),
        "max_position_embeddings": max(max_tokens + 2, bart["max_position_embeddings"]),
        "bos_token_id": tokenizer.bos_id,
        "pad_token_id": tokenizer.pad_id,
        "eos_token_id": tokenizer.eos_id,
        "decoder_start_token_id": tokenizer.eos_id,
        "forced_eos_token_id": None,
        "forced_bos_token_id": None,
        "use_cache": True,
    }
    return XR2TextConfig(encoder=name, encoder_options=options, image_size=image_size, bart=bart, views=views)


def load_tokenizer(decoder: str, pretrained: bool, texts: list[str]) -> ReportTokenizer:
    """The tokenizer of a pretrained decoder, or one trained on the training reports."""
    if not pretrained:
        return ReportTokenizer.learn(texts)
    try:
        return ReportTokenizer.from_pretrained(decoder)
    except (OSError, ValueError) as error:
        raise WeightsError(_advice("--decoder", decoder, error)) from error


def encoder_name(encoder: str) -> tuple[str, dict[str, Any]]:
    """The timm architecture of an encoder and its options. A folder's too: a checkpoint must not need it."""
    if encoder == PHANTOM:
        return PHANTOM_ENCODER
    name, options = encoder, {}
    if Path(encoder).is_dir():
        try:
            config = json.loads((Path(encoder) / "config.json").read_text(encoding="utf-8"))
            name, options = config["architecture"], config.get("model_args", {})
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(_advice("--encoder", encoder, error)) from error
    if not timm.is_model(name):
        raise WeightsError(
            f"--encoder {encoder}: timm {timm.__version__} has no such model, and there is no such folder; "
            "timm.list_models() lists them"
        )
    return name, options


def _decoder_config(decoder: str, pretrained: bool) -> dict[str, Any]:
    """The config of the tiny decoder, of a pretrained one, or of BART base for training from scratch."""
    if decoder == PHANTOM:
        return dict(BartConfig(**PHANTOM_DECODER).to_dict())
    if not pretrained and not Path(decoder).is_dir():
        return dict(BartConfig(**BART_BASE).to_dict())
    try:
        if Path(decoder).is_dir() and not (Path(decoder) / "config.json").is_file():
            raise FileNotFoundError("it has no config.json")  # transformers would assume BART large
        return dict(BartConfig.from_pretrained(decoder).to_dict())
    except (OSError, ValueError) as error:
        raise WeightsError(_advice("--decoder", decoder, error)) from error


def _load_pretrained(model: XR2TextModel, encoder: str, decoder: str) -> None:
    """Put pretrained weights into the encoder and the decoder."""
    config = model.config
    source = f"local-dir:{Path(encoder).resolve()}" if Path(encoder).is_dir() else config.encoder
    try:
        backbone = create_backbone(source, config.image_size, config.encoder_options, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(_advice("--encoder", encoder, error)) from error
    model.encoder.images.backbone.load_state_dict(backbone.state_dict())
    try:
        bart = BartModel.from_pretrained(decoder)
    except (OSError, ValueError) as error:
        raise WeightsError(_advice("--decoder", decoder, error)) from error
    _copy_decoder(model, bart.decoder.state_dict())


def _copy_decoder(model: XR2TextModel, source: dict[str, torch.Tensor]) -> None:
    """Copy decoder weights; a longer vocabulary or more positions keep their newly initialised rows."""
    for name, target in model.decoder.state_dict().items():
        rows = min(len(target), len(source[name]))
        with torch.no_grad():
            target[:rows].copy_(source[name][:rows])


def _advice(flag: str, name: str, error: Exception) -> str:
    kind = "folder" if Path(name).exists() else "hub name"
    reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return (
        f"{flag} {name}: no pretrained weights from this {kind} ({reason}). "
        f"Without internet, give {flag} a local folder with the weights, or train from scratch with --pretrained none"
    )
