"""Curves of the image head: the commonest findings only, each with its number, in the format of the file's name."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from xr2text_core.metrics.findings.auc import MIN_POSITIVES, finding_auc
from xr2text_core.metrics.findings.reading import Eye
from xr2text_core.metrics.outcome import CURVES, output_paths
from xr2text_core.report.vocabulary import FINDINGS

pytest.importorskip("sklearn", reason="the extra figures is not installed")

from xr2text_core.metrics.findings.curves import (
    MOST_PANELS,
    _calibration,
    _precision_recall,
    _roc,
    commonest,
    draw_curves,
)

RANDOM = np.random.default_rng(0)
STUDIES = 200
COMMON = {"cardiomegaly": 60, "edema": 30, "fracture": MIN_POSITIVES, "pneumonia": MIN_POSITIVES - 1}


def studies() -> tuple[Eye, list[str], list[tuple[str, ...]]]:
    """A head that sees something, references with the findings of COMMON, and codes of every second study."""
    places = {name: set(RANDOM.choice(STUDIES, count, replace=False)) for name, count in COMMON.items()}
    words = {"cardiomegaly": "Cardiomegaly.", "edema": "Pulmonary edema.", "fracture": "Rib fracture."}
    words["pneumonia"] = "Pneumonia."
    references = [
        " ".join(words[name] for name in COMMON if study in places[name]) or "Normal." for study in range(STUDIES)
    ]
    probabilities = RANDOM.uniform(0, 0.4, (STUDIES, len(FINDINGS)))
    for name, those in places.items():
        probabilities[sorted(those), FINDINGS.index(name)] += 0.3
    probabilities[0] = np.nan  # a study that was not read
    codes = [(("Cardiomegaly",) if study in places["cardiomegaly"] else ("normal",)) for study in range(STUDIES)]
    return Eye(probabilities, probabilities > 0.5), references, [codes[i] if i % 2 else () for i in range(STUDIES)]


def test_the_commonest_findings_have_panels_and_rare_ones_none() -> None:
    true = np.zeros((100, 12), dtype=bool)
    for column in range(12):
        true[: 30 - 2 * column, column] = True
    true[:, 3] = True  # no study without it
    assert commonest(true) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert len(commonest(true)) == MOST_PANELS
    assert commonest(true[:9]) == []


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_each_kind_and_truth_has_a_file_in_its_format(tmp_path: Path, ending: str, start: bytes) -> None:
    paths = {kind: output_paths(tmp_path / "new", "best_model_test", ending)[kind] for kind in CURVES}
    drawn = draw_curves(*studies(), paths, "best_model.pt, test split of phantom")
    assert [path.name for path in drawn] == [f"{kind}_best_model_test.{ending}" for kind in CURVES]
    assert {"roc", "roc_mesh", "calibration_mesh"} <= set(CURVES)
    assert all(path.read_bytes().startswith(start) for path in drawn)


def test_a_figure_says_what_it_is_of_and_names_every_curve(tmp_path: Path) -> None:
    labels, codes = draw_curves(
        *studies(),
        {kind: tmp_path / f"{kind}.svg" for kind in ("roc", "roc_mesh")},
        "best_model.pt, test split of phantom",
    )
    drawn = labels.read_text(encoding="utf-8")
    assert "<!-- best_model.pt, test split of phantom, 199 studies; truth: rule labels -->" in drawn
    names = [name for name in COMMON if f"<!-- {name} (n = " in drawn]
    assert names == ["cardiomegaly", "edema", "fracture"]
    assert "100 studies; truth: MeSH" in codes.read_text(encoding="utf-8")


def test_the_numbers_beside_the_curves_are_those_of_the_table() -> None:
    true = np.array([True, False, True, False, False])
    probability = np.array([0.8, 0.1, 0.4, 0.4, 0.2])
    auc = finding_auc(probability[:, None], true[:, None], names=("edema",), num_resamples=2).per_finding["edema"]
    assert _roc(Figure().subplots(), true, probability) == f"AUC {auc.value:.2f}"
    assert _precision_recall(Figure().subplots(), true, probability) == "AP 0.83, by chance 0.40"  # 1/2 (1 + 2/3)
    squares = (0.2**2 + 0.1**2 + 0.6**2 + 0.4**2 + 0.2**2) / 5
    assert _calibration(Figure().subplots(), true, probability) == f"Brier {squares:.3f}, by chance 0.240"


def test_no_curves_without_a_common_finding(tmp_path: Path) -> None:
    eye = Eye(np.full((4, len(FINDINGS)), 0.5), np.zeros((4, len(FINDINGS)), dtype=bool))
    assert draw_curves(eye, ["Edema."] * 4, [()] * 4, {"roc": tmp_path / "roc.png"}, "") == []
    assert list(tmp_path.iterdir()) == []
