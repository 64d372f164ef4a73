"""Text survives the way to token ids and back."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from xr2text_core.report.tokenizer import SPECIAL_TOKENS, ReportTokenizer

TEXTS = [
    "The heart is normal in size. No pleural effusion.",
    "Mild cardiomegaly with a 12 mm nodule in the left lower lobe.",
    "No focal consolidation. No pneumothorax.",
]


@pytest.fixture(scope="module")
def learned() -> ReportTokenizer:
    return ReportTokenizer.learn(TEXTS * 3)


@pytest.mark.parametrize(
    "text",
    [*TEXTS, "never seen: Kerley-B lines (T2/3)", "37 °C, 5×3 cm – naïve 中文 🫁", "line\nbreak  two spaces", "a"],
)
def test_every_text_survives_the_way_there_and_back(learned: ReportTokenizer, text: str) -> None:
    assert learned.decode(learned.encode([text], 200)) == [text]


def test_special_tokens_have_the_ids_of_bart(learned: ReportTokenizer) -> None:
    assert (learned.bos_id, learned.pad_id, learned.eos_id) == (0, 1, 2)
    assert SPECIAL_TOKENS == ("<s>", "<pad>", "</s>", "<unk>")


def test_every_whole_report_ends_with_the_end_mark_and_a_cut_one_has_none(learned: ReportTokenizer) -> None:
    (whole,) = learned.encode(TEXTS[:1], 200)
    assert whole.index(learned.eos_id) == len(whole) - 1
    for max_tokens in range(1, len(whole)):
        assert learned.encode(TEXTS[:1], max_tokens) == [whole[:max_tokens]]
    assert learned.encode(TEXTS[:1], len(whole)) == [whole]


def test_an_empty_report_is_the_end_mark_alone(learned: ReportTokenizer) -> None:
    assert learned.encode([""], 10) == [[learned.eos_id]]
    assert learned.decode([[learned.eos_id]]) == [""]


def test_texts_in_one_batch_do_not_pad_each_other(learned: ReportTokenizer) -> None:
    together = learned.encode(TEXTS, 200)
    assert together == [learned.encode([text], 200)[0] for text in TEXTS]


def test_padding_and_marks_leave_no_trace_in_the_text(learned: ReportTokenizer) -> None:
    ids = learned.encode(TEXTS[:1], 200)[0]
    assert learned.decode([[learned.bos_id, *ids, learned.pad_id, learned.pad_id]]) == TEXTS[:1]


def test_words_of_the_training_reports_become_short(learned: ReportTokenizer) -> None:
    assert len(learned.encode(["pneumothorax"], 50)[0]) < len(learned.encode(["xaromuhtoenp"], 50)[0])


def test_the_vocabulary_has_no_id_beyond_its_length(learned: ReportTokenizer) -> None:
    assert max(max(ids) for ids in learned.encode([*TEXTS, "zzz 中文"], 200)) < len(learned)
    assert len(ReportTokenizer.learn(TEXTS * 3, max_vocabulary=270)) <= 270


def test_learning_twice_gives_the_same_tokenizer(learned: ReportTokenizer) -> None:
    assert ReportTokenizer.learn(TEXTS * 3).to_json() == learned.to_json()


def test_a_tokenizer_survives_a_checkpoint(learned: ReportTokenizer) -> None:
    again = ReportTokenizer.from_json(learned.to_json())
    assert again.encode(TEXTS, 200) == learned.encode(TEXTS, 200)
    assert len(again) == len(learned)


def test_a_local_folder_gives_its_tokenizer_without_its_own_limits(learned: ReportTokenizer, tmp_path: Path) -> None:
    contents = Tokenizer.from_str(learned.to_json())
    contents.enable_truncation(3)
    contents.enable_padding(length=50)
    contents.save(str(tmp_path / "tokenizer.json"))
    assert ReportTokenizer.from_pretrained(str(tmp_path)).encode(TEXTS, 200) == learned.encode(TEXTS, 200)


def test_a_tokenizer_without_the_special_tokens_is_refused_with_their_names() -> None:
    other = Tokenizer(models.WordLevel({"<s>": 0, "a": 1}, unk_token="a"))
    with pytest.raises(ValueError, match=r"<pad>.*BART"):
        ReportTokenizer(other)
    assert json.loads(other.to_str())["model"]["vocab"] == {"<s>": 0, "a": 1}
