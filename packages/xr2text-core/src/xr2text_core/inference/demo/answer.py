"""What the demo shows for the films of one study: report, findings with probability, attention of each region."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError, Pixels
from xr2text_core.inference.attention import overlays
from xr2text_core.inference.reading import named
from xr2text_core.inference.reports import reports_for
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.report.vocabulary import FINDINGS
from xr2text_core.settings.settings import BEAMS

SHOWN_PX = 512  # side of the pictures; the model reads its own image size


@dataclass(frozen=True)
class Answer:
    """`film` is uint8 (SHOWN_PX, SHOWN_PX); `probabilities`, 0..1, likeliest first; `decided` are the findings that the
    report says, empty for a model that decides no findings first; `attention` is a picture of each region."""

    film: Pixels
    report: str
    probabilities: Mapping[str, float]
    decided: frozenset[str]
    attention: Sequence[tuple[NDArray[np.uint8], str]]


def answer(trained: TrainedModel, films: Sequence[str], corrections: Mapping[str, bool] | None = None) -> Answer:
    """Read the films of one study, the frontal one first. ImageError, by the name of the file, where one is unreadable.

    `corrections`: findings that somebody knows to be present, or absent; the report says so.
    """
    written = reports_for(trained, [[_read(film, trained.settings.image_size) for film in films]], BEAMS, corrections)
    film = _read(films[0], SHOWN_PX)
    probabilities = dict(zip(FINDINGS, written.suspected[0, -1].tolist(), strict=True))
    return Answer(
        film,
        written.reports[0],
        dict(sorted(probabilities.items(), key=lambda each: each[1], reverse=True)),
        frozenset() if written.reading is None else named(written.reading.decided[0]),
        list(zip(overlays(film, written.attention[0]), trained.model.config.regions, strict=True)),
    )


def corrections_of(decided: Collection[str], ticked: Collection[str]) -> dict[str, bool]:
    """The findings in which a person differs from the model, True where present."""
    return {finding: finding in ticked for finding in FINDINGS if (finding in ticked) != (finding in decided)}


def _read(film: str, size: int) -> Pixels:
    """As `read_image`; its error names the file without the folder that an upload lies in."""
    try:
        return read_image(film, size)
    except ImageError as error:
        raise ImageError(str(error).replace(film, Path(film).name)) from error
