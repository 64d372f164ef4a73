"""What annotators coded for the studies of Indiana University, in the words of FINDINGS: a truth without our labeler.

A code is a term with qualifiers, `Opacity/lung/base/left`: what is positive in findings and impression, hedged or not
(Demner-Fushman et al. 2016, "Preparing a collection of radiology examinations for distribution and retrieval").
Check: `Calcinosis/aorta;Lung/hypoinflation/mild` is calcification, aortic abnormality and low lung volumes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from xr2text_core.metrics.ngrams import Bools
from xr2text_core.report.vocabulary import DEVICES, FINDINGS

NOT_CODED = "no indexing"
NO_FINDING = {"normal", "technical quality of image unsatisfactory", NOT_CODED}

FINDING_OF_TERM = {
    "opacity": "lung opacity",
    "density": "lung opacity",
    "infiltrate": "lung opacity",
    "airspace disease": "lung opacity",
    "consolidation": "consolidation",
    "pneumonia": "pneumonia",
    "pulmonary atelectasis": "atelectasis",
    "atelectasis": "atelectasis",
    "volume loss": "atelectasis",
    "cardiomegaly": "cardiomegaly",
    "cardiac shadow": "cardiomegaly",
    "heart": "cardiomegaly",
    "heart ventricles": "cardiomegaly",
    "heart atria": "cardiomegaly",
    "calcinosis": "calcification",
    "calcified granuloma": "granuloma",
    "granuloma": "granuloma",
    "granulomatous disease": "granuloma",
    "sarcoidosis": "granuloma",
    "cicatrix": "scarring",
    "pulmonary fibrosis": "scarring",
    "fibrosis": "scarring",
    "markings": "interstitial markings",
    "lung diseases, interstitial": "interstitial markings",
    "bronchiectasis": "interstitial markings",
    "pleural effusion": "pleural effusion",
    "hemothorax": "pleural effusion",
    "hydropneumothorax": "pneumothorax",
    "hemopneumothorax": "pneumothorax",
    "pneumothorax": "pneumothorax",
    "costophrenic angle": "pleural other",
    "pleura": "pleural other",
    "aorta": "aortic abnormality",
    "aorta, thoracic": "aortic abnormality",
    "atherosclerosis": "aortic abnormality",
    "aortic aneurysm": "aortic abnormality",
    "nodule": "lung lesion",
    "mass": "lung lesion",
    "cavitation": "lung lesion",
    "neoplasms": "lung lesion",
    "thoracic vertebrae": "degenerative spine",
    "lumbar vertebrae": "degenerative spine",
    "cervical vertebrae": "degenerative spine",
    "spine": "degenerative spine",
    "osteophyte": "degenerative spine",
    "spondylosis": "degenerative spine",
    "hyperostosis, diffuse idiopathic skeletal": "degenerative spine",
    "scoliosis": "scoliosis",
    "fractures, bone": "fracture",
    "deformity": "bone abnormality",
    "bone diseases, metabolic": "bone abnormality",
    "kyphosis": "bone abnormality",
    "sclerosis": "bone abnormality",
    "diaphragm": "elevated diaphragm",
    "diaphragmatic eventration": "elevated diaphragm",
    "hernia, hiatal": "hiatal hernia",
    "lung, hyperlucent": "hyperinflation",
    "emphysema": "emphysema",
    "pulmonary emphysema": "emphysema",
    "bullous emphysema": "emphysema",
    "blister": "emphysema",
    "pulmonary disease, chronic obstructive": "emphysema",
    "pulmonary edema": "edema",
    "heart failure": "edema",
    "pulmonary congestion": "vascular congestion",
    "hypertension, pulmonary": "vascular congestion",
    "mediastinum": "enlarged cardiomediastinum",
    "pulmonary artery": "enlarged cardiomediastinum",
    "lymph nodes": "enlarged cardiomediastinum",
    "catheters, indwelling": DEVICES,
    "surgical instruments": DEVICES,
    "implanted medical device": DEVICES,
    "medical device": DEVICES,
    "stents": DEVICES,
    "tube, inserted": DEVICES,
    "sutures": DEVICES,
    "spinal fusion": DEVICES,
    "breast implants": DEVICES,
}  # any other term is an "other abnormality"


@dataclass(frozen=True)
class MeshTruth:
    """What the annotators coded; where `is_coded` is False the other two say nothing and are False."""

    findings: Bools  # (N, F), F as FINDINGS
    is_normal: Bools  # (N,) no abnormality; devices alone and poor films are none
    is_coded: Bools  # (N,)


def mesh_truth(codes: Sequence[Collection[str]]) -> MeshTruth:
    """The truth of N studies from the codes of each (`Study.codes`)."""
    named = [{finding for code in each for finding in findings_of_code(code)} for each in codes]
    findings = np.array([[finding in each for finding in FINDINGS] for each in named], dtype=bool)
    is_coded = np.array([bool(each) for each in codes], dtype=bool)
    is_normal = is_coded & np.array([each <= {DEVICES} for each in named], dtype=bool)
    return MeshTruth(findings.reshape(len(codes), len(FINDINGS)), is_normal, is_coded)


def split_codes(cell: str) -> tuple[str, ...]:
    """The codes of a cell of the column MeSH, which ";" separates; none where the study was not coded."""
    codes = tuple(code.strip() for code in cell.split(";") if code.strip())
    return () if NOT_CODED in map(str.lower, codes) else codes


def findings_of_code(code: str) -> tuple[str, ...]:
    """The findings of one code; a few terms depend on their qualifiers."""
    term, *rest = (" ".join(part.lower().split()) for part in code.split("/"))
    qualifiers = set(rest)
    if term in NO_FINDING:
        return ()
    if term == "lung":
        return (_finding_of_lung(qualifiers),)
    if term in ("opacity", "density") and "round" in qualifiers:
        return ("lung opacity", "lung lesion")
    if term == "calcinosis" and {"aorta", "aorta, thoracic"} & qualifiers:
        return ("calcification", "aortic abnormality")
    if term == "diaphragm" and "flattened" in qualifiers:
        return ("hyperinflation",)
    if term == "thickening":
        by_place = {"pleura": "pleural other", "bronchi": "interstitial markings"}
        return (next((by_place[place] for place in by_place if place in qualifiers), "other abnormality"),)
    return (FINDING_OF_TERM.get(term, "other abnormality"),)


def _finding_of_lung(qualifiers: set[str]) -> str:
    if "hypoinflation" in qualifiers:
        return "low lung volumes"
    if "hyperdistention" in qualifiers:
        return "hyperinflation"
    if "interstitial" in qualifiers:
        return "interstitial markings"
    if {"hilum", "lymph nodes"} & qualifiers:
        return "enlarged cardiomediastinum"
    return "vascular congestion" if "blood vessels" in qualifiers else "other abnormality"
