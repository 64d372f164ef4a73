"""The page of the gallery: images, reference and candidate side by side; what the image head decided (eye), what the
report says (pen) and what the reference says; and the attention of regions."""

import argparse
import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from xr2text_core import __version__
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.study import DatasetError, Study
from xr2text_core.inference.comparison import Scored, studies_to_score
from xr2text_core.inference.reading import Reading
from xr2text_core.inference.reports import WrittenReports, reports_of
from xr2text_core.inference.trained import TrainedModel, load_model
from xr2text_core.metrics.clinical_f1 import clinical_statistics
from xr2text_core.metrics.protocols import describe
from xr2text_core.metrics.scores import MEASURES, measures_from_sums, report_statistics
from xr2text_core.metrics.table import cell
from xr2text_core.report.differences import differences
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS
from xr2text_core.settings.settings import Settings

STUDIES_AT_ONCE = 16
SHOWN_PX = 384  # side of the images on the page
JPEG_QUALITY = 80  # about 20 kB per image
SHOWN_SCORES = (
    ("BLEU-1", "bleu_1", ".3f"),
    ("BLEU-4", "bleu_4", ".3f"),
    ("ROUGE-L", "rouge_l", ".3f"),
    ("CIDEr", "cider", ".2f"),
    ("label F1", "clinical_f1", ".3f"),
    ("distinct reports", "distinct_reports", "d"),
)


@dataclass(frozen=True)
class Gallery:
    """What the page shows, as page/gallery.js reads it: values for JSON."""

    about: list[tuple[str, str]]  # name and value
    scored: str  # which studies the scores are of
    scores: list[tuple[str, str]]
    regions: list[str]
    findings: list[str]
    studies: list[dict[str, Any]]


def gallery_page(options: argparse.Namespace) -> tuple[str, int]:
    """The page for the command's options as HTML, and the number of its studies."""
    trained = load_model(options.checkpoint)
    scored = studies_to_score(trained, options.split, options.num_studies, options.root, options.protocol)
    return page(gather(trained, scored, options)), len(scored.batches.studies)


def gather(trained: TrainedModel, scored: Scored, options: argparse.Namespace) -> Gallery:
    """Write the reports of the scored studies and compare them with their references."""
    written = write_all(trained, scored, options.beams)
    row = scored.references.row(options.checkpoint.name, written.reports)
    both = text_rows(scored, written), image_rows(scored, written)
    study_of = {study.study_id: study for study in scored.studies}
    beside = [texts_beside(study_of[each], trained.settings) for each in scored.batches.studies.study_ids]
    return Gallery(
        about=about(trained, scored, options),
        scored=studies_shown(scored, options.split),
        scores=[(title, cell(getattr(row.scores, name), form)) for title, name, form in SHOWN_SCORES],
        regions=trained.model.config.regions,
        findings=trained.model.config.findings,
        studies=[{**texts, **image, "beside": each} for texts, image, each in zip(*both, beside, strict=True)],
    )


def about(trained: TrainedModel, scored: Scored, options: argparse.Namespace) -> list[tuple[str, str]]:
    """What the scores of the page were computed on and how."""
    settings = trained.settings
    return [
        ("checkpoint", f"{options.checkpoint.name} of run {settings.run}" if settings.run else options.checkpoint.name),
        ("data", f"{settings.data}, {studies_shown(scored, options.split)}"),
        ("section", settings.section),
        ("decoding", f"beam {options.beams}" if options.beams > 1 else "greedy"),
        *trained.operating_point.items(),
        ("protocol", describe(options.protocol)),
        ("made", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, xr2text-core {__version__}"),
    ]


def studies_shown(scored: Scored, split: str) -> str:
    """ "24 of the 590 studies of the test split": the scores of a part are not those of the whole."""
    num_shown, num_all = len(scored.batches.studies), len(scored.dataset.split(split))
    return f"{num_shown} of the {num_all} studies of the {split} split"


def write_all(trained: TrainedModel, scored: Scored, num_beams: int) -> WrittenReports:
    """Reports of all scored studies, from the same pixels as in `evaluate`."""
    everything = range(len(scored.batches.studies))
    parts = []
    for start in tqdm(everything[::STUDIES_AT_ONCE], "Writing reports", unit="batch", disable=None, leave=False):
        batch = scored.batches.plain(everything[start : start + STUDIES_AT_ONCE])
        if lost := scored.batches.take_lost():
            raise DatasetError(f"{', '.join(lost)}: can no longer be read; the same command again skips it")
        parts.append(reports_of(trained, batch.images, batch.is_film, num_beams, texts=batch.texts))
    return WrittenReports(
        [report for part in parts for report in part.reports],
        np.concatenate([part.attention for part in parts]),
        np.concatenate([part.suspected for part in parts]),
        _joined([part.reading for part in parts if part.reading is not None], len(everything)),
    )


def _joined(parts: Sequence[Reading], num_studies: int) -> Reading | None:
    """All studies in order; None of a model that decides no findings first."""
    return Reading.joined(parts, range(num_studies), num_studies) if parts else None


def text_rows(scored: Scored, written: WrittenReports) -> list[dict[str, Any]]:
    """Per study: both texts as runs that differ or not, scores, findings as `clinical_f1` counts them, and as each says
    them; `decided` is null where the model decides no findings first."""
    candidates, references, reading = written.reports, scored.references.texts, written.reading
    vocabulary = scored.references.vocabulary
    statistics = report_statistics(candidates, references, scored.references.protocol, vocabulary=vocabulary)
    measures = measures_from_sums(statistics, 1)  # (N, measures), each study a corpus of its own
    counted = np.split(clinical_statistics(candidates, references) > 0, 3, axis=1)  # three of (N, F)
    rows = []
    for index, (reference, candidate) in enumerate(zip(references, candidates, strict=True)):
        reference_runs, candidate_runs = differences(reference, candidate)
        agreed, invented, missed = (np.flatnonzero(each[index]).tolist() for each in counted)
        rows.append(
            {
                "reference": reference_runs,
                "candidate": candidate_runs,
                "reference_says": findings_said(reference),
                "candidate_says": findings_said(candidate),
                "decided": None if reading is None else np.flatnonzero(reading.decided[index]).tolist(),
                "agreed": agreed,
                "missed": missed,
                "invented": invented,
                **{name: round(float(measures[index, MEASURES.index(name)]), 4) for name in ("bleu_4", "rouge_l")},
            }
        )
    return rows


def texts_beside(study: Study, settings: Settings) -> list[tuple[str, str]]:
    """What the model reads beside the films of a study: name and text."""
    read = [("Indication", study.indication)] if settings.indication else []
    if settings.prior and study.prior is not None:
        days = "" if study.prior.days is None else f", {study.prior.days:.0f} days before"
        read.append((f"Last report{days}", study.prior.report.section(settings.section)))
    return [(name, text) for name, text in read if text]


def findings_said(text: str) -> dict[int, str]:
    """What a report says of a finding it mentions: "absent", "uncertain", "present", "present: mild, right"."""
    labels = label_report(text)
    said = {}
    for status in ("present", "uncertain", "absent"):
        for finding in getattr(labels, status):
            mentions = [each for each in labels.mentions if each.finding == finding and each.status == status]
            words = dict.fromkeys(word for each in mentions for word in (each.severity, each.side) if word)
            detail = f": {', '.join(words)}" if words and status != "absent" else ""
            said[FINDINGS.index(finding)] = f"{status}{detail}"
    return said


def image_rows(scored: Scored, written: WrittenReports) -> list[dict[str, Any]]:
    """Per study: the films that the model sees, the attention of the regions, and the findings they suspect."""
    views = {study.study_id: dict(zip(study.images, study.views, strict=True)) for study in scored.studies}
    peaks = written.attention.max(axis=(2, 3), keepdims=True)
    maps = np.rint(255 * written.attention / peaks).astype(np.uint8)  # (N, R, G, G)
    percent = np.rint(100 * written.suspected).astype(int)  # (N, R + 1, F)
    ready = scored.batches.studies
    studies = tqdm(ready.images, "Drawing images", unit="study", disable=None, leave=False)
    return [
        {
            "id": ready.study_ids[index],
            "films": [shown_film(film, views[ready.study_ids[index]]) for film in films if film],
            "attention": base64.b64encode(maps[index].tobytes()).decode(),
            "suspected": percent[index].tolist(),
        }
        for index, films in enumerate(studies)
    ]


def shown_film(film: str, views: Mapping[str, str]) -> dict[str, str]:
    """A film with its view; one that is none of the study's own is that of the last study."""
    return {"view": views.get(film, "last study"), "image": jpeg_uri(read_image(film, SHOWN_PX))}


def jpeg_uri(pixels: NDArray[Any]) -> str:
    """A grey image, uint8 (H, H), as a data URI for <img>."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def page(gallery: Gallery) -> str:
    """The page as HTML. Report text reaches it as JSON only, and the page's hash lets no script but ours run."""
    folder = resources.files("xr2text_core") / "page"
    script = (folder / "gallery.js").read_text("utf-8")
    parts = {
        "title": html.escape(f"Reports of {gallery.about[0][1]}"),
        "hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": (folder / "gallery.css").read_text("utf-8"),
        "script": script,
        "data": json.dumps(vars(gallery), separators=(",", ":")).replace("<", "\\u003c"),  # no tag can start in it
    }
    return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], (folder / "gallery.html").read_text("utf-8"))
