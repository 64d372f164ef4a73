"""Writes reports for images with a trained checkpoint.

    python -m xr2text_core.generate IMAGE_OR_FOLDER... [--checkpoint checkpoints/best_model.pt] [--attention out.png]

Research software, not a medical device: no report from it may be used in the care of a patient.
"""

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from xr2text_core.data.images.formats import IMAGE_SUFFIXES, Pixels
from xr2text_core.report.vocabulary import FINDINGS, NOT_A_DEVICE
from xr2text_core.run.errors import UserError
from xr2text_core.run.outputs import keep_inputs
from xr2text_core.settings.arguments import add_checkpoint_flag
from xr2text_core.settings.numbers import above_zero, at_least_zero, positive
from xr2text_core.settings.settings import BEAMS

if TYPE_CHECKING:
    from xr2text_core.data.texts import Texts
    from xr2text_core.inference.reading import Reading
    from xr2text_core.inference.trained import TrainedModel

IMAGES_AT_ONCE = 16
OTHERS = 3  # findings that are named although they were not written
PICTURES = (".png", ".pdf", ".svg")


def images_under(places: Sequence[Path]) -> list[Path]:
    """The named images, and those inside the named folders in order of their paths."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(path for path in place.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        else:
            found.append(place)
    return found


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.generate",
        usage="%(prog)s IMAGE... [flags]",
        description=f"Write reports for chest X-rays. {NOT_A_DEVICE}",
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files, or folders of them")
    add_checkpoint_flag(parser, "model to use")
    parser.add_argument(
        "--beams", type=positive, default=BEAMS, metavar="N", help="beam width; 1 is greedy (default: %(default)s)"
    )
    parser.add_argument(
        "--study",
        action="store_true",
        help="the images are the films of one study: a frontal one, then a lateral one",
    )
    parser.add_argument("--indication", default="", metavar="TEXT", help="why the film was taken (default: none)")
    parser.add_argument(
        "--prior-image",
        type=Path,
        metavar="IMAGE",
        help="frontal film of the last study of the patient (default: none)",
    )
    parser.add_argument("--prior-report", default="", metavar="TEXT|FILE", help="report of that study (default: none)")
    parser.add_argument(
        "--prior-days", type=at_least_zero, metavar="N", help="days between the two studies (default: unknown)"
    )
    parser.add_argument(
        "--with", dest="known", action="append", default=[], type=_known, metavar="FINDING",
        help='write the report as if this finding were present, or with "FINDING=absent" absent; may be repeated',
    )  # fmt: skip
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        type=_finding,
        metavar="FINDING",
        help="the same as --with FINDING=absent",
    )
    parser.add_argument(
        "--sensitivity",
        type=above_zero,
        metavar="R",
        help="write findings R times as often as training reports do (default: the model's own)",
    )
    parser.add_argument(
        "--attention",
        type=Path,
        metavar="PNG",
        help="also draw each region's attention; numbered for several images (default: none)",
    )
    return parser.parse_args(arguments)


def _known(text: str) -> tuple[str, bool]:
    """`pleural effusion=present` -> ("pleural effusion", True)."""
    name, _, state = text.partition("=")
    if state.strip() not in ("", "present", "absent"):
        raise argparse.ArgumentTypeError(f"{text!r}: a finding is present or absent, as in 'edema=present'")
    return _finding(name), state.strip() != "absent"


def _finding(text: str) -> str:
    name = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    if name not in FINDINGS:
        close = ", ".join(get_close_matches(name, FINDINGS, 3)) or ", ".join(FINDINGS)
        raise argparse.ArgumentTypeError(f"{text!r} is none of the model's findings; did you mean: {close}?")
    return name


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    paths = images_under(options.images)
    if not paths:
        places, endings = ", ".join(map(str, options.images)), ", ".join(IMAGE_SUFFIXES)
        print(f"error: no images in {places}; looked for {endings}", file=sys.stderr)
        return 2
    studies = [paths] if options.study else [[path] for path in paths]
    pictures = _pictures(options.attention, len(studies))
    try:
        _check_pictures(pictures)
        keep_inputs("--attention", pictures, [*paths, options.checkpoint, *_prior(options), options.prior_report])
        _check_films(studies)
        trained, texts = _model(options, studies)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(NOT_A_DEVICE, file=sys.stderr)
    num_written = 0
    starts = range(0, len(studies), IMAGES_AT_ONCE)
    for start in tqdm(starts, "Writing reports", unit="batch", disable=None, leave=False):
        several = studies[start : start + IMAGES_AT_ONCE]
        num_written += _write(trained, several, texts, options, pictures[num_written:], is_named=len(studies) > 1)
    return 0 if num_written == len(studies) else 2


def _model(options: argparse.Namespace, studies: Sequence[Sequence[Path]]) -> tuple["TrainedModel", "Texts"]:
    """The model as the flags ask for it, and what it reads beside films; UserError where it cannot do that."""
    from xr2text_core.inference.desk import Desk
    from xr2text_core.inference.trained import load_model

    desk = Desk(options.indication.strip(), options.prior_image, options.prior_report.strip(), options.prior_days)
    desk.check(len(studies))
    num_films = max(map(len, studies))
    try:
        trained = load_model(options.checkpoint)
    except UserError as error:
        raise UserError(f"--checkpoint {error}") from error
    if num_films > trained.model.config.num_films:
        raise UserError(
            f"--study has {num_films} films, but {options.checkpoint} sees {trained.model.config.num_films} of a "
            "study; give no more, the frontal one first"
        )
    if (options.known or options.without) and trained.model.encoder.study is None:
        raise UserError(f"{options.checkpoint} decides no findings first: leave --with and --without out")
    if options.sensitivity is not None:
        trained.be_sensitive(options.sensitivity)
    desk.check_model(trained, options.checkpoint)
    return trained, desk.texts(trained)


def _prior(options: argparse.Namespace) -> list[Path]:
    """The film of the last study, where it is given."""
    return [options.prior_image] if options.prior_image else []


def _write(
    trained: "TrainedModel",
    studies: Sequence[Sequence[Path]],
    texts: "Texts",
    options: argparse.Namespace,
    pictures: Sequence[Path],
    is_named: bool,
) -> int:
    """Write the reports of studies whose films can all be read, and return how many these are."""
    from xr2text_core.inference.attention import draw_attention
    from xr2text_core.inference.reports import reports_for

    prior = _prior(options)
    images = _read([*(path for films in studies for path in films), *prior], trained.settings.image_size)
    readable = [films for films in studies if all(path in images for path in (*films, *prior))]
    if not readable:
        return 0
    corrections = {**dict(options.known), **dict.fromkeys(options.without, False)}
    films: list[list[Pixels | None]] = [[images[path] for path in each] for each in readable]
    if prior:  # of one study, at its last place
        films[0] += [None] * (trained.model.config.num_films - len(films[0])) + [images[prior[0]]]
    written = reports_for(trained, films, options.beams, corrections, texts)
    for row, (study, report) in enumerate(zip(readable, written.reports, strict=True)):
        if written.reading is not None:
            tqdm.write(_findings_line(written.reading, row), file=sys.stderr)
        tqdm.write(f"{study[0]}: {report}" if is_named else report)
        if pictures:
            draw_attention(images[study[0]], written.attention[row], trained.model.config.regions, pictures[row])
    return len(readable)


def _findings_line(reading: "Reading", row: int) -> str:
    """What was decided, with its probability, likeliest first; and the likeliest of the rest."""
    probable = sorted(zip(reading.probabilities[row], reading.decided[row], FINDINGS, strict=True), reverse=True)
    decided = [f"{finding} {probability:.0%}" for probability, is_there, finding in probable if is_there]
    others = [f"{finding} {probability:.0%}" for probability, is_there, finding in probable if not is_there]
    return f"findings: {', '.join(decided) or 'none'} | not written: {', '.join(others[:OTHERS])}"


def _read(paths: Sequence[Path], size: int) -> dict[Path, Pixels]:
    """The readable images; errors name the others."""
    from xr2text_core.data.images.decode import read_image

    images = {}
    for path in paths:
        try:
            images[path] = read_image(str(path), size)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
    return images


def _check_films(studies: Sequence[Sequence[Path]]) -> None:
    """UserError where a study has the same film twice."""
    for films in studies:
        if len({path.resolve() for path in films}) < len(films):
            raise UserError(f"--study has the same film twice: {', '.join(map(str, films))}; give each film once")


def _check_pictures(paths: Sequence[Path]) -> None:
    """UserError where no picture can be written there; checked before reports are written."""
    for path in paths[:1]:
        if path.suffix.lower() not in PICTURES:
            raise UserError(f"--attention {path}: the name must end in {', '.join(PICTURES)}")
        if not path.parent.is_dir():
            raise UserError(f"--attention {path}: there is no folder {path.parent}; create it first")


def _pictures(path: Path | None, count: int) -> list[Path]:
    """Where the picture of each image goes: out.png -> out_001.png, ... for several images."""
    if path is None or count == 1:
        return [path] if path else []
    return [path.with_name(f"{path.stem}_{number:03d}{path.suffix}") for number in range(1, count + 1)]


if __name__ == "__main__":
    sys.exit(main())
