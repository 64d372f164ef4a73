"""Where pretrained weights would come from, without downloading them."""

from contextlib import suppress
from pathlib import Path

import timm
import torch
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError

from xr2text_core.model.weights import (
    WeightsError,
    advice,
    encoder_source,
    installed_file,
    is_hub_name,
    refuse_phantom,
    short,
    weights_file,
)

FILES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")
PATIENCE_S = 3.0
FOLDER, CACHE, NETWORK = "a local folder", "the local cache", "the network, at the first start"
FILE, PACKAGE, SCRATCH = "a local file", "an installed package", "scratch"


def locate_encoder(encoder: str) -> str:
    """FOLDER, FILE, PACKAGE, CACHE or NETWORK. WeightsError where there are no weights."""
    refuse_phantom("--encoder", encoder)
    if is_hub_name(encoder):
        return _on_hub("--encoder", encoder, encoder)
    if (path := encoder_source(encoder).path) is not None:
        return _in_path(encoder, path)
    if installed_file(encoder):
        return PACKAGE
    config = timm.get_pretrained_cfg(encoder)
    if config is None or not (config.hf_hub_id or config.url):
        raise WeightsError(advice("--encoder", encoder, "timm has no pretrained weights of this name"))
    if config.hf_hub_id:
        return _on_hub("--encoder", encoder, config.hf_hub_id)
    url = str(config.url)
    if (Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name).is_file():
        return CACHE
    return _on_network("--encoder", encoder, url)


def locate_decoder(decoder: str) -> str:
    """FOLDER, CACHE or NETWORK. WeightsError where the weights of this hub name or folder are not available."""
    refuse_phantom("--decoder", decoder)
    if Path(decoder).is_dir():
        return _in_folder("--decoder", decoder)
    return _on_hub("--decoder", decoder, decoder)


def cached_folder(name: str) -> str:
    """The folder of a model in the hub's cache; the name itself if it is not cached."""
    with suppress(ValueError):  # a local folder, or no name at all
        path = try_to_load_from_cache(name, "config.json")
        return str(Path(path).parent) if isinstance(path, str) else name
    return name


def _in_path(encoder: str, path: Path) -> str:
    try:
        weights_file(path)
    except (OSError, ValueError) as error:
        raise WeightsError(advice("--encoder", encoder, short(error))) from error
    return FOLDER if path.is_dir() else FILE


def _in_folder(flag: str, folder: str) -> str:
    if not (Path(folder) / "config.json").is_file():
        raise WeightsError(advice(flag, folder, "this folder has no config.json"))
    if not any((Path(folder) / file).is_file() for file in FILES):
        raise WeightsError(advice(flag, folder, f"this folder has none of {', '.join(FILES[:2])}"))
    return FOLDER


def _on_hub(flag: str, name: str, repository: str) -> str:
    try:
        if any(isinstance(try_to_load_from_cache(repository, file), str) for file in FILES):
            return CACHE
    except ValueError as error:
        raise WeightsError(advice(flag, name, "no such folder, and not a valid hub name")) from error
    if constants.HF_HUB_OFFLINE:
        raise WeightsError(advice(flag, name, "not in the local cache, and HF_HUB_OFFLINE is set"))
    return _on_network(flag, name, hf_hub_url(repository, "config.json"))


def _on_network(flag: str, name: str, url: str) -> str:
    """Request the headers of a file, with the hub's token and proxy: a few hundred bytes."""
    try:
        get_hf_file_metadata(url, timeout=PATIENCE_S)
    except HfHubHTTPError as error:
        code = error.response.status_code
        reason = "the hub has no such model" if code in (401, 404) else f"the hub answers {code}"
        raise WeightsError(advice(flag, name, f"not in the local cache, and {reason}")) from error
    except Exception as error:  # of the HTTP library: no network, no DNS, a timeout; an invalid address
        raise WeightsError(advice(flag, name, "not in the local cache, and the hub cannot be reached")) from error
    return NETWORK
