"""A report is English or it is not: the labeler and the word tokens apply to English only."""

import pytest

from xr2text_core.data.language import is_english


@pytest.mark.parametrize(
    "text",
    [
        "Cardiomegaly.",
        "LLL atx. No PTX.",
        "Bilateral haemothorax with pulmonary oedema.",
        "Heart XXXX and XXXX XXXX are normal.",
        "FINDINGS: THE LUNGS ARE CLEAR.",
        "Port-a-Cath in unchanged position, sternotomy wires.",
    ],
)
def test_an_english_report_is_told_however_short(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "Kein Pneumothorax. Kein Infiltrat.",
        "Sin derrame pleural. Silueta cardiaca normal.",
        "Sem derrame pleural. Área cardíaca normal.",
        "Pas d'épanchement pleural ni de pneumothorax.",
        "Non versamento pleurico. Ombra cardiaca nei limiti.",
        "Geen pneumothorax. Geen infiltraat.",
        "Akciğerlerde infiltrasyon yok.",
        "双肺纹理清晰，心影大小正常。",
        "Без инфильтрации.",
        "흉부에 이상 소견 없음",
    ],
)
def test_a_report_in_another_language_is_told_although_it_shares_medical_words(text: str) -> None:
    assert not is_english(text)


@pytest.mark.parametrize("text", ["", " \n", "XXXX.", "1 2 3"])
def test_a_text_without_words_is_no_other_language(text: str) -> None:
    assert is_english(text)
