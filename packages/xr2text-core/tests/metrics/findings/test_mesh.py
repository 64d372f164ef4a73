import numpy as np
import pytest

from xr2text_core.metrics.findings.mesh import FINDING_OF_TERM, findings_of_code, mesh_truth, split_codes
from xr2text_core.report.vocabulary import FINDINGS


@pytest.mark.parametrize(
    ("code", "findings"),
    [
        ("Opacity/lung/base/left", {"lung opacity"}),
        ("Opacity/lung/upper lobe/right/round", {"lung opacity", "lung lesion"}),
        ("Cardiomegaly/mild", {"cardiomegaly"}),
        ("Calcinosis/lung/hilum", {"calcification"}),
        ("Calcinosis/aorta, thoracic", {"calcification", "aortic abnormality"}),
        ("Lung/hypoinflation/mild", {"low lung volumes"}),
        ("Lung/bilateral/hyperdistention", {"hyperinflation"}),
        ("Lung/hilum/bilateral/prominent", {"enlarged cardiomediastinum"}),
        ("Lung/blood vessels/prominent", {"vascular congestion"}),
        ("Lung/interstitial/prominent", {"interstitial markings"}),
        ("Lung/azygos lobe", {"other abnormality"}),
        ("Diaphragm/bilateral/flattened", {"hyperinflation"}),
        ("Diaphragm/right/elevated", {"elevated diaphragm"}),
        ("Thickening/pleura/apex", {"pleural other"}),
        ("Thickening/bronchi", {"interstitial markings"}),
        ("Thickening/heart ventricles", {"other abnormality"}),
        ("Hernia, Hiatal/large", {"hiatal hernia"}),
        ("Fractures, Bone/ribs/left", {"fracture"}),
        ("Catheters, Indwelling/left", {"support devices"}),
        ("Pulmonary Disease, Chronic Obstructive", {"emphysema"}),
        ("Cholelithiasis", {"other abnormality"}),
        ("Thoracic vertebrae/degenerative", {"degenerative spine"}),
        ("Subcutaneous  Emphysema/neck", {"other abnormality"}),
        ("normal", set()),
        ("Technical Quality of Image Unsatisfactory ", set()),
        ("No Indexing", set()),
    ],
)
def test_a_code_is_read_as_its_findings(code: str, findings: set[str]) -> None:
    assert set(findings_of_code(code)) == findings


def test_truth_has_a_row_for_each_study_and_a_column_for_each_finding() -> None:
    truth = mesh_truth([("Calcinosis/aorta", "Lung/hypoinflation"), ("normal",), (), ("Medical Device/left",)])
    assert truth.findings.shape == (4, len(FINDINGS)) and truth.findings.dtype == np.bool_
    named = [{name for name, is_true in zip(FINDINGS, row, strict=True) if is_true} for row in truth.findings]
    assert named == [{"calcification", "aortic abnormality", "low lung volumes"}, set(), set(), {"support devices"}]
    assert truth.is_normal.tolist() == [False, True, False, True]
    assert truth.is_coded.tolist() == [True, True, False, True]


def test_a_poor_film_alone_is_normal_and_an_unknown_term_is_not() -> None:
    truth = mesh_truth([("Technical Quality of Image Unsatisfactory ",), ("Something New",)])
    assert truth.is_normal.tolist() == [True, False]


def test_no_studies_have_an_empty_truth() -> None:
    assert mesh_truth([]).findings.shape == (0, len(FINDINGS))


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("normal", ("normal",)),
        ("Scoliosis/mild; Aorta/tortuous;", ("Scoliosis/mild", "Aorta/tortuous")),
        ("No Indexing", ()),
        (" no indexing ", ()),
        ("", ()),
    ],
)
def test_a_cell_is_split_into_codes(cell: str, codes: tuple[str, ...]) -> None:
    assert split_codes(cell) == codes


def test_every_term_means_a_finding_and_all_findings_can_be_coded() -> None:
    assert set(FINDING_OF_TERM.values()) <= set(FINDINGS)
    by_qualifier = {"low lung volumes", "other abnormality"}
    assert set(FINDING_OF_TERM.values()) | by_qualifier == set(FINDINGS)
