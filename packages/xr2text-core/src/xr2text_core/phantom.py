"""Writes the phantom out as a manifest data set, so that any program can train on it.

python -m xr2text_core.phantom --out data/phantom --num-train 1280 --num-val 160 --num-test 300 --size 256
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from xr2text_core.data.readers.phantom import read
from xr2text_core.data.study import Study
from xr2text_core.drawing.names import draw_image, named_desk, named_scene
from xr2text_core.drawing.scene import SceneLabels, scene_labels

COLUMNS = ("study_id", "image", "report", "findings", "impression", "view", "patient_id", "split", "labels")
DESK_COLUMNS = ("indication", "date", "prior_study_id")
TODAY = date(2000, 1, 1)  # of every study that is no last one
MIN_SIZE_PX = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the data set; return 0, or 2 for a folder that is not empty and for invalid counts."""
    options = _parser().parse_args(arguments)
    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        print(f"{out} is not an empty folder: name a new one with --out, nothing was written", file=sys.stderr)
        return 2
    studies = read(options.num_train, options.num_val, options.num_test, options.seed, options.desk).studies
    if not studies:
        print("nothing to write: --num-train, --num-val and --num-test are all 0", file=sys.stderr)
        return 2
    write_manifest(studies, out, options.size, options.desk)
    num_priors = sum(study.prior is not None for study in studies)
    earlier = f" and {num_priors} earlier ones" if options.desk else ""
    print(f"Wrote {len(studies)} studies{earlier}: {out / 'manifest.csv'}")
    return 0


def write_manifest(studies: Sequence[Study], out: Path, size: int, desk: bool = False) -> None:
    """Write manifest.csv and the films as images/*.png, grey, `size` pixels wide and high, into the folder `out`.

    With `desk` the table has the columns of DESK_COLUMNS, and the last studies are studies of their own.
    """
    (out / "images").mkdir(parents=True, exist_ok=True)
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, (*COLUMNS, *(DESK_COLUMNS if desk else ())))
        rows.writeheader()
        for study in tqdm(studies, desc="Drawing", unit="study"):
            for each in _on_desk(study) if desk else [(study, {})]:
                rows.writerows(_write_study(*each, out, size))


def _on_desk(study: Study) -> Iterator[tuple[Study, dict[str, str]]]:
    """The study and, before it, the last one of the same patient, each with its cells of DESK_COLUMNS."""
    prior_id = ""
    if study.prior:
        prior_id = f"{study.study_id}-prior"
        prior = replace(study, study_id=prior_id, images=(study.prior.image,), views=study.views[:1])
        day = TODAY - timedelta(days=study.prior.days or 0)
        yield replace(prior, report=study.prior.report), {"date": day.isoformat()}
    yield study, {"indication": study.indication, "date": TODAY.isoformat(), "prior_study_id": prior_id}


def _write_study(study: Study, cells: dict[str, str], out: Path, size: int) -> Iterator[dict[str, str]]:
    """Draw the films of a study, and yield their rows; `image` is relative to the folder of the manifest."""
    for number, (name, view) in enumerate(zip(study.images, study.views, strict=True)):
        image = f"images/{study.study_id}{f'-{view}' if number else ''}.png"
        Image.fromarray(draw_image(name, size)).save(out / image)
        yield {
            "study_id": study.study_id,
            "image": image,
            "report": study.report.findings,
            "findings": study.report.findings,
            "impression": study.report.impression,
            "view": view,
            "patient_id": study.patient_id,
            "split": study.split,
            "labels": "; ".join(sorted(_labels(study.frontal, bool(cells)).findings)),
            **cells,
        }


def _labels(name: str, desk: bool) -> SceneLabels:
    return named_desk(name).labels if desk else scene_labels(named_scene(name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m xr2text_core.phantom",
        usage="%(prog)s --out DIR [flags]",
        description=f"{__doc__.splitlines()[0]} Defaults are in parentheses.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder to write into")
    parser.add_argument("--num-train", type=_count, default=1280, metavar="N", help="training studies (1280)")
    parser.add_argument("--num-val", type=_count, default=160, metavar="N", help="validation studies (160)")
    parser.add_argument("--num-test", type=_count, default=300, metavar="N", help="test studies (300)")
    parser.add_argument("--size", type=_size, default=256, metavar="PX", help="width and height in pixels (256)")
    parser.add_argument(
        "--desk", action="store_true", help="also lateral films, indications and earlier studies, with their columns"
    )
    parser.add_argument("--seed", type=_count, default=0, metavar="N", help="each seed draws other studies (0)")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is less than 0")
    return value


def _size(text: str) -> int:
    value = int(text)
    if value < MIN_SIZE_PX:
        raise argparse.ArgumentTypeError(f"{value} px shows nothing: give {MIN_SIZE_PX} or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
