"""DINOv2 as transformers saves it (RAD-DINO, for chest films, is one) into timm's vision transformer.

Names map one to one; query, key and value become one matrix. Files of both generations of transformers are read.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

MODEL_TYPES = ("dinov2", "dinov2_with_registers")
NAMES = (
    (r"^dinov2(_with_registers)?\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^encoder\.layer\.", "blocks."),
    (r"^layernorm\.", "norm."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.attention\.(attention\.)?q(uery|_proj)\.", ".attn.0."),
    (r"\.attention\.(attention\.)?k(ey|_proj)\.", ".attn.1."),
    (r"\.attention\.(attention\.)?v(alue|_proj)\.", ".attn.2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
)


def architecture(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The timm model and options of a config.json of transformers; ValueError where timm's computes something else."""
    if config.get("use_swiglu_ffn") or config.get("hidden_act", "gelu") != "gelu":
        raise ValueError("a DINOv2 with SwiGLU layers is not supported; timm has vit_giant_patch14_dinov2.lvd142m")
    registers = config.get("num_register_tokens", 4) if config["model_type"] == MODEL_TYPES[1] else 0
    options = {
        "patch_size": config.get("patch_size", 14),
        "embed_dim": config.get("hidden_size", 768),
        "depth": config.get("num_hidden_layers", 12),
        "num_heads": config.get("num_attention_heads", 12),
        "mlp_ratio": config.get("mlp_ratio", 4),
        "qkv_bias": config.get("qkv_bias", True),
    }
    if registers:
        return "vit_base_patch14_reg4_dinov2", {**options, "reg_tokens": registers}
    return "vit_base_patch14_dinov2", options


def timm_state(state: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Weights by timm's names, for grey images as our encoder normalises them."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for pattern, ours in NAMES:
            name = re.sub(pattern, ours, name)
        renamed[name] = tensor
    renamed.pop("embeddings.mask_token", None)  # of its pretraining alone
    for first in [name for name in renamed if ".attn.0." in name]:
        parts = [renamed.pop(first.replace(".attn.0.", f".attn.{part}.")) for part in range(3)]
        renamed[first.replace(".attn.0.", ".attn.qkv.")] = torch.cat(parts)
    if "reg_token" in renamed:  # timm adds the position of the class token beforehand
        positions = renamed["pos_embed"]
        renamed["cls_token"] = renamed["cls_token"] + positions[:, :1]
        renamed["pos_embed"] = positions[:, 1:]
    weight, bias = "patch_embed.proj.weight", "patch_embed.proj.bias"
    renamed[weight], renamed[bias] = _for_grey(renamed[weight], renamed[bias], *_normalisation(folder))
    return renamed


def _normalisation(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation (3) that its images were normalised by; ours where its folder does not tell."""
    file = folder / "preprocessor_config.json"
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return torch.tensor(told.get("image_mean", [0.5] * 3)), torch.tensor(told.get("image_std", [0.25] * 3))


def _for_grey(weight: Tensor, bias: Tensor, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Patch embedding (D, 3, P, P) of (x - mean) / deviation -> (D, 1, P, P) of ours, (x - 0.5) / 0.25. Exact."""
    shift = (weight.sum((2, 3)) * ((0.5 - mean) / deviation)).sum(1)
    return (weight * (0.25 / deviation)[:, None, None]).sum(1, keepdim=True), bias + shift
