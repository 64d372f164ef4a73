"""What a new run begins with: the weights, sizes and tokenizer of a trained model."""

import json
from pathlib import Path
from typing import Any

from xr2text_core.inference.trained import reading
from xr2text_core.model.weights import encoder_source
from xr2text_core.model.xr2text import XR2TextModel
from xr2text_core.run.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from xr2text_core.run.folder import RunError
from xr2text_core.settings.settings import Settings


def load_initial(path: Path, settings: Settings) -> Checkpoint:
    """A checkpoint, or an exported folder as a checkpoint that is nowhere yet.

    CheckpointError where it cannot be read, and RunError where it holds another model than `settings` ask for.
    """
    found = _exported(path) if path.is_dir() else load_checkpoint(path)
    if flags := _other_sizes(found, settings):
        raise RunError(f"--init {path} holds another model; give the flags that it was made with: {' '.join(flags)}")
    return found


def _exported(folder: Path) -> Checkpoint:
    if not (folder / "config.json").is_file() or not (folder / "tokenizer.json").is_file():
        raise CheckpointError(f"{folder}: no exported model (config.json or tokenizer.json is missing)")
    with reading(folder):
        model = XR2TextModel.from_pretrained(folder)
        return Checkpoint(
            settings={},
            fingerprint="",
            config=json.dumps(model.config.to_dict()),
            tokenizer=(folder / "tokenizer.json").read_text(encoding="utf-8"),
            progress={},
            model=model.state_dict(),
            optimizer={},
        )


def _other_sizes(found: Checkpoint, settings: Settings) -> list[str]:
    """The flags that would ask for the model that was found, where others were given."""
    config: dict[str, Any] = json.loads(found.config)
    name, decoder = config["encoder"], found.settings.get("decoder", settings.decoder)
    longest = config["bart"]["max_position_embeddings"] - 2
    flags = []
    source = encoder_source(settings.encoder)
    asked_for = json.loads(json.dumps([source.name, source.options]))  # tuples are lists there
    if asked_for != [name, config["encoder_options"]]:
        flags.append(f"--encoder {found.settings.get('encoder', name)}")
    if settings.decoder != decoder:
        flags.append(f"--decoder {decoder}")
    if settings.image_size != config["image_size"]:
        flags.append(f"--image-size {config['image_size']}")
    if settings.views != (views := config.get("views", "frontal")):
        flags.append(f"--views {views}")
    for name in ("indication", "prior"):
        if getattr(settings, name) != config.get(name, False):
            flags.append(f"without --{name}" if getattr(settings, name) else f"--{name}")
    if settings.teach_encoder != (lesson := config.get("teach_encoder", "all")):
        flags.append(f"--teach-encoder {lesson}")
    if settings.max_tokens > longest:
        flags.append(f"--max-tokens {found.settings.get('max_tokens', longest)}")
    return flags
