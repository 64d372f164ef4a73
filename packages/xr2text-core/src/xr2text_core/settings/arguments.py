"""The flags of `python -m xr2text_core.train`, how they become settings, a flag of others. Imports nothing heavy."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xr2text_core.report.report import SECTIONS
from xr2text_core.run.folder import RunError
from xr2text_core.settings.config_file import read_config
from xr2text_core.settings.numbers import above_zero, at_least_zero, not_negative, positive, share
from xr2text_core.settings.presets import PRESETS
from xr2text_core.settings.settings import PRETRAINED, Settings

TRACKERS = ("tensorboard", "trackio", "wandb")  # each is the name of the package that it needs


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags of the command; None means the default of the preset."""
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.train",
        usage="%(prog)s [flags]",
        description="Trains a model that writes reports from chest X-rays. The same command again resumes the run. "
        "Defaults are in parentheses.",
    )
    add_run_flags(parser)
    return parser.parse_args(arguments)


def settings_in(path: Path) -> dict[str, Any]:
    """The settings in a file, checked as flags are; RunError names what is wrong in it."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    add_run_flags(parser)
    return read_config(path, parser)


def add_run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a run, shared by train and preflight."""
    data = parser.add_argument_group("data")
    data.add_argument("--data", choices=("phantom", "manifest", "iu-xray", "mimic-cxr"), help="data set (phantom)")
    data.add_argument(
        "--root", metavar="DIR", help="folder of the data set; for manifest also its CSV file (none: phantoms)"
    )
    data.add_argument("--section", choices=SECTIONS, help="section of the report to train on (findings)")
    data.add_argument("--num-studies", type=positive, metavar="N", help="phantom: training studies to draw (1280)")
    data.add_argument(
        "--data-seed",
        type=not_negative,
        metavar="N",
        help="phantom: seed of the studies; runs with the same one share their test set (that of --seed)",
    )
    desk = "phantom: also lateral films, indications and earlier studies, and reports that need them"
    data.add_argument("--desk", action=argparse.BooleanOptionalAction, help=desk)
    model = parser.add_argument_group("model")
    model.add_argument("--preset", choices=tuple(PRESETS), help="set of sizes (phantom for phantoms, else laptop)")
    model.add_argument(
        "--encoder",
        metavar="NAME",
        help="timm name; folder or file with weights, or NAME=PATH; an earlier checkpoint (laptop: ConvNeXt base)",
    )
    model.add_argument(
        "--decoder",
        metavar="NAME",
        help="BART-family decoder: hub name or local folder (laptop: GanjinZero/biobart-base)",
    )
    model.add_argument(
        "--pretrained",
        type=lambda text: "both" if text == "yes" else text,  # as it was called earlier
        choices=PRETRAINED,
        help="which half starts from pretrained weights; the rest starts from scratch (both)",
    )
    frozen = "do not train the pretrained encoder: less memory, faster; images are still augmented"
    model.add_argument("--freeze-encoder", action=argparse.BooleanOptionalAction, help=frozen)
    cached = "with --freeze-encoder: encode each film once, to disk; much faster, but nothing is augmented"
    model.add_argument("--cache-tokens", action=argparse.BooleanOptionalAction, help=cached)
    model.add_argument(
        "--image-size", type=positive, metavar="PX", help="side of the square image, pixels (laptop: 384)"
    )
    model.add_argument("--max-tokens", type=positive, metavar="N", help="longest report, tokens (laptop: 128)")
    model.add_argument(
        "--views", choices=("frontal", "all"), help="films of a study: frontal only, or lateral too (laptop: all)"
    )
    question = "also read the indication, where the data set has one"
    model.add_argument("--indication", action=argparse.BooleanOptionalAction, help=question)
    last = "also read the patient's last study, its frontal film and report, where there is one"
    model.add_argument("--prior", action=argparse.BooleanOptionalAction, help=last)
    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=positive, metavar="N", help="passes over the studies of the stage (50)")
    training.add_argument(
        "--patience", type=positive, metavar="N", help="epochs without a better score before stopping (999)"
    )
    training.add_argument(
        "--batch", dest="micro_batch", type=positive, metavar="N", help="studies per micro-batch (laptop: 4)"
    )
    training.add_argument("--accumulation", type=positive, metavar="N", help="micro-batches per update (laptop: 8)")
    training.add_argument(
        "--precision",
        choices=("fp16", "bf16", "fp32"),
        help="on a GPU (fp16); a CPU has fp32, a recent one bf16 too",
    )
    training.add_argument(
        "--encoder-rate", type=above_zero, metavar="LR", help="peak learning rate of the encoder (laptop: 3e-5)"
    )
    training.add_argument(
        "--decoder-rate", type=above_zero, metavar="LR", help="peak learning rate of the decoder (laptop: 1e-4)"
    )
    training.add_argument(
        "--new-rate", type=above_zero, metavar="LR", help="peak learning rate of the new layers (laptop: 2e-4)"
    )
    training.add_argument(
        "--teach-encoder",
        choices=("all", "findings"),
        help="losses that train the encoder; with few studies, findings works better (laptop: findings)",
    )
    training.add_argument(
        "--freeze-stages",
        type=not_negative,
        metavar="N",
        help="first stages of the encoder to freeze (laptop: 2)",
    )
    stages = "normal studies first, or all from the first epoch (on; cpu: off)"
    training.add_argument("--curriculum", action=argparse.BooleanOptionalAction, help=stages)
    training.add_argument("--replay", type=share, metavar="0..1", help="share of harder studies in every stage (0.25)")
    training.add_argument(
        "--seed", type=not_negative, metavar="N", help="of weights, order, augmentation and dropout (0)"
    )
    files = parser.add_argument_group("scores and files")
    files.add_argument(
        "--select-by",
        choices=("bleu_4+rouge_l", "clinical_f1"),
        help="score that selects the best model; clinical_f1 is the label F1 (bleu_4+rouge_l)",
    )
    files.add_argument(
        "--val-studies", type=positive, metavar="N", help="validation studies scored per epoch, at most (500)"
    )
    files.add_argument("--checkpoint-every", type=positive, metavar="N", help="epochs between kept checkpoints (5)")
    files.add_argument(
        "--autosave-min", type=at_least_zero, metavar="MIN", help="minutes between saves in an epoch (10)"
    )
    files.add_argument(
        "--pause-temp",
        type=above_zero,
        metavar="C",
        help="pause above this GPU temperature, degrees C (90, or where it throttles)",
    )
    files.add_argument("--track", choices=TRACKERS, help="also log the curves to this tracker (none)")
    files.add_argument("--run", metavar="NAME", help="name of the run, and of the sub-folders for its files (none)")
    files.add_argument("--out", metavar="DIR", help="folder that holds checkpoints/ and data/ (here)")
    files.add_argument("--device", choices=("auto", "cpu"), help="auto takes the GPU if there is one (auto)")
    files.add_argument("--workers", type=not_negative, metavar="N", help="image decoding threads; 0: automatic (0)")
    how = parser.add_argument_group("how to start")
    how.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="take the settings of this run.json, but not its run and out; flags win (none)",
    )
    how.add_argument("--supervise", action="store_true", help="restart after a crash or a hang, from the last save")
    start = how.add_mutually_exclusive_group()
    start.add_argument("--resume", type=Path, metavar="FILE", help="continue from this checkpoint (the latest)")
    start.add_argument("--fresh", action="store_true", help="move the files of the last run aside and start a new run")
    how.add_argument(
        "--init", metavar="FILE", help="start a new run with the weights of a checkpoint or an export (none)"
    )
    how.add_argument("--rewarm", action="store_true", help="with more --epochs: warm the learning rate up again")
    how.add_argument("--explain", action="store_true", help="print what this start would do, epoch by epoch, and exit")


def add_checkpoint_flag(parser: argparse.ArgumentParser, purpose: str) -> None:
    """The flag of every command that uses a trained model."""
    best = Path("checkpoints/best_model.pt")
    parser.add_argument("--checkpoint", type=Path, default=best, metavar="FILE", help=f"{purpose} (default: {best})")


def _check_tracker(name: str) -> None:
    """RunError where the package of a tracker is missing; a folder of its name, as wandb writes one, is no package."""
    if name and getattr(find_spec(name), "origin", None) is None:
        raise RunError(f"--track {name} needs the package {name}: `pip install {name}` installs it")


def settings_of(options: argparse.Namespace) -> Settings:
    """Defaults, overridden by the preset, then by --config, then by the flags; a preset given as a flag by flags alone.

    RunError where a flag needs a missing package, or a file of settings is wrong.
    """
    names = {field.name for field in fields(Settings)}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    if options.resume and options.init:
        raise RunError("--resume continues a run and --init starts another: give only one of them")
    if options.config:
        found = settings_in(options.config)
        if "preset" in given:  # it gives all that presets set, as a whole
            found = {name: value for name, value in found.items() if not any(name in each for each in PRESETS.values())}
        given = {**found, **given}
    _check_tracker(given.get("track", ""))
    settings = Settings.of(**given)
    if settings.desk and settings.data != "phantom":
        raise RunError(f"--desk draws phantoms, --data {settings.data} has studies of its own: leave --desk out")
    if settings.data_seed is not None and settings.data != "phantom":
        raise RunError(f"--data-seed draws phantoms, --data {settings.data} has studies of its own: leave it out")
    if settings.cache_tokens and not settings.freeze_encoder:
        raise RunError("--cache-tokens keeps what a frozen encoder sees: add --freeze-encoder, or leave it out")
    if (settings.freeze_encoder or settings.freeze_stages) and not settings.keeps_weights:
        flag = "--freeze-encoder" if settings.freeze_encoder else "--freeze-stages"
        raise RunError(
            f"{flag} would keep random weights: add --pretrained encoder or both, or --init FILE, or turn it off "
            "(--no-freeze-encoder, --freeze-stages 0)"
        )
    return settings
