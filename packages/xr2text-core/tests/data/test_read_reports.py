"""Tokens and labels are those of the tokenizer and the labeler, whatever is kept of an earlier start."""

import logging
from pathlib import Path

import pytest

from xr2text_core.data import read_reports as module
from xr2text_core.data.read_reports import read_reports, reports_key
from xr2text_core.data.readers import phantom
from xr2text_core.report.labeler import label_report
from xr2text_core.report.tokenizer import ReportTokenizer

TEXTS = [study.report.findings for study in phantom.read(num_train=30, num_val=0, num_test=0).studies]
TEXTS += [TEXTS[3], "", "Größe: small left effusion. No pneumothorax.", TEXTS[3]]
MAX_TOKENS = 24


@pytest.fixture(scope="module")
def tokenizer() -> ReportTokenizer:
    return ReportTokenizer.learn(TEXTS)


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were labelled, in order."""
    texts: list[str] = []
    monkeypatch.setattr(module, "label_report", lambda text: texts.append(text) or label_report(text))
    return texts


def assert_right(read: module.ReadReports, texts: list[str], tokenizer: ReportTokenizer) -> None:
    assert list(read.tokens) == tokenizer.encode(texts, MAX_TOKENS)
    assert list(read.labels) == [label_report(text) for text in texts]


def test_tokens_and_labels_are_the_same_with_and_without_a_folder(tmp_path: Path, tokenizer: ReportTokenizer) -> None:
    for folder in (None, tmp_path, tmp_path):
        assert_right(read_reports(TEXTS, tokenizer, MAX_TOKENS, folder), TEXTS, tokenizer)


def test_reports_are_read_in_chunks_of_any_length(tokenizer: ReportTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    for chunk in (1, 7, len(set(TEXTS)), 1000):
        monkeypatch.setattr(module, "REPORTS_AT_ONCE", chunk)
        assert_right(read_reports(TEXTS, tokenizer, MAX_TOKENS), TEXTS, tokenizer)


def test_each_distinct_text_is_labelled_once_and_not_at_all_the_next_time(
    tmp_path: Path, tokenizer: ReportTokenizer, labelled: list[str]
) -> None:
    for _ in range(2):
        read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
        assert labelled == list(dict.fromkeys(TEXTS))


def test_other_texts_tokenizer_length_or_code_are_read_again(
    tmp_path: Path, tokenizer: ReportTokenizer, labelled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ReportTokenizer.learn(TEXTS[:5])
    read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    for texts, chosen, length in (
        (TEXTS[:-3], tokenizer, MAX_TOKENS),
        (TEXTS, other, MAX_TOKENS),
        (TEXTS, tokenizer, 9),
    ):
        labelled.clear()
        read = read_reports(texts, chosen, length, tmp_path)
        assert list(read.tokens) == chosen.encode(texts, length)
        assert labelled
    labelled.clear()
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "labeler.py").write_text("a changed labeler")
    monkeypatch.setattr(module.labeler, "__file__", str(tmp_path / "code" / "labeler.py"))
    read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    assert labelled


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.95])
def test_a_damaged_file_is_made_again_with_a_word(
    tmp_path: Path, tokenizer: ReportTokenizer, at: float, caplog: pytest.LogCaptureFixture
) -> None:
    read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    content = bytearray(whole)
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert_right(read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path), TEXTS, tokenizer)
    assert "damaged" in caplog.text
    assert path.read_bytes() == whole


def test_no_report_text_is_written(tmp_path: Path, tokenizer: ReportTokenizer) -> None:
    read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    (path,) = tmp_path.iterdir()
    written = path.read_bytes()
    assert not any(text.encode() in written for text in TEXTS if text)


def test_texts_that_join_to_the_same_text_have_other_keys() -> None:
    assert len({reports_key(texts) for texts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], [])}) == 5
    assert reports_key(["a"], "b", "c") != reports_key(["a"], "bc")


def test_no_reports_are_fine(tmp_path: Path, tokenizer: ReportTokenizer) -> None:
    assert len(read_reports([], tokenizer, MAX_TOKENS, tmp_path).tokens) == 0


def test_labels_of_an_older_labeler_are_read_again_and_that_is_logged(
    tmp_path: Path, tokenizer: ReportTokenizer, labelled: list[str], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with monkeypatch.context() as older:
        older.setattr(module, "LABELER_VERSION", module.LABELER_VERSION - 1)
        read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    labelled.clear()
    with caplog.at_level(logging.INFO):
        assert_right(read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path), TEXTS, tokenizer)
    assert labelled and len(list(tmp_path.iterdir())) == 1
    assert caplog.text.count(f"made by labeler {module.LABELER_VERSION - 1}; reading again with labeler") == 1
    labelled.clear()
    read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    assert not labelled


def test_caches_of_the_first_labeler_go_and_that_is_logged(
    tmp_path: Path, tokenizer: ReportTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"reports-{'0' * 32}.bin").write_bytes(b"labels of labeler 1")
    with caplog.at_level(logging.INFO):
        read_reports(TEXTS, tokenizer, MAX_TOKENS, tmp_path)
    assert "Removed 1 caches of labeler 1" in caplog.text
    assert [path.name[:7] for path in tmp_path.iterdir()] == ["labels-"]
