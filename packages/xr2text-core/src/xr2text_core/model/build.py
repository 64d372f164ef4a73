"""Builds a model: each half from scratch or pretrained, by hub name or local folder."""

from pathlib import Path
from typing import Any

import torch
from transformers import BartConfig, BartModel

from xr2text_core.model.config import XR2TextConfig
from xr2text_core.model.weights import (
    PHANTOM,
    WeightsError,
    advice,
    check_image_size,
    encoder_source,
    pixel_statistics,
    pretrained_backbone,
    refuse_phantom,
    short,
)
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.settings.settings import is_pretrained

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


def build_model(
    encoder: str,
    decoder: str,
    pretrained: str,
    image_size: int,
    max_tokens: int,
    tokenizer: ReportTokenizer,
    views: str = "frontal",
    indication: bool = False,
    prior: bool = False,
    **options: Any,
) -> XR2TextModel:
    """A model ready for training; `decoder`: BART-family hub name or folder.

    `encoder`: as `encoder_source` reads it; `pretrained`: which half starts from weights, both, encoder, decoder, none;
    `options`: further ones of XR2TextConfig.
    """
    is_decoder_pretrained = is_pretrained("decoder", pretrained)
    config = model_config(
        encoder, decoder, is_decoder_pretrained, image_size, max_tokens, tokenizer, views, indication, prior
    )
    config.update({"findings_first": True, **options})
    if not is_pretrained("encoder", pretrained):
        return _with_decoder(XR2TextModel(config), decoder, is_decoder_pretrained)
    source = pretrained_backbone(encoder, image_size)
    config.update(dict(zip(("pixel_mean", "pixel_std"), pixel_statistics(encoder, source), strict=True)))
    model = XR2TextModel(config)
    model.encoder.images.backbone.load_state_dict(source.state_dict())
    return _with_decoder(model, decoder, is_decoder_pretrained)


def _with_decoder(model: XR2TextModel, decoder: str, is_decoder_pretrained: bool) -> XR2TextModel:
    if is_decoder_pretrained:
        _load_decoder(model, decoder)
    return model


def model_config(
    encoder: str,
    decoder: str,
    pretrained: bool,
    image_size: int,
    max_tokens: int,
    tokenizer: ReportTokenizer,
    views: str = "frontal",
    indication: bool = False,
    prior: bool = False,
) -> XR2TextConfig:
    """The configuration of that model; `pretrained`: whether the decoder is."""
    source = encoder_source(encoder)
    check_image_size(source, image_size)
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
    return XR2TextConfig(
        encoder=source.name, encoder_options=source.options, image_size=image_size, bart=bart,
        views=views, region_views=views, indication=indication, prior=prior,
    )  # fmt: skip


def load_tokenizer(decoder: str, pretrained: bool, texts: list[str]) -> ReportTokenizer:
    """The tokenizer of a pretrained decoder, or one trained on the training reports."""
    if not pretrained:
        return ReportTokenizer.learn(texts)
    refuse_phantom("--decoder", decoder)
    try:
        return ReportTokenizer.from_pretrained(decoder)
    except (OSError, ValueError) as error:
        raise _unavailable(decoder, error) from error


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
        raise _unavailable(decoder, error) from error


def _load_decoder(model: XR2TextModel, decoder: str) -> None:
    """Put pretrained weights into the decoder."""
    refuse_phantom("--decoder", decoder)
    try:
        bart = BartModel.from_pretrained(decoder)
    except (OSError, ValueError) as error:
        raise _unavailable(decoder, error) from error
    _copy_decoder(model, bart.decoder.state_dict())


def _copy_decoder(model: XR2TextModel, source: dict[str, torch.Tensor]) -> None:
    """Copy decoder weights; a longer vocabulary or more positions keep their newly initialised rows."""
    for name, target in model.decoder.state_dict().items():
        rows = min(len(target), len(source[name]))
        with torch.no_grad():
            target[:rows].copy_(source[name][:rows])


def _unavailable(decoder: str, error: Exception) -> WeightsError:
    kind = "folder" if Path(decoder).exists() else "hub name"
    return WeightsError(advice("--decoder", decoder, f"no pretrained weights from this {kind} ({short(error)})"))
