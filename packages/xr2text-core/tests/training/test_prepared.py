"""What a start finds is the same whether it is the first, a later one, or one after damage or loss."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from xr2text_core.data.readers import manifest
from xr2text_core.drawing.names import draw_image
from xr2text_core.report.labeler import label_report
from xr2text_core.settings.fingerprint import share_in_common
from xr2text_core.settings.presets import PRESETS
from xr2text_core.settings.settings import Settings
from xr2text_core.training.prepared import PreparedData, prepare_data

NUM_STUDIES = 8


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Eight studies of a manifest, one of them for validation."""
    (tmp_path / "films").mkdir()
    rows = ["image,report,split"]
    for number in range(NUM_STUDIES):
        Image.fromarray(draw_image(f"phantom:0/{number}", 64)).save(tmp_path / "films" / f"{number}.png")
        report = "No pleural effusion." if number % 3 else f"Small left effusion {number}."
        rows.append(f"{number}.png,{report},{'train' if number else 'val'}")
    (tmp_path / "films" / "manifest.csv").write_text("\n".join(rows) + "\n")
    sizes = {**PRESETS["phantom"], "image_size": 32}
    return Settings(**sizes, data="manifest", root=str(tmp_path / "films"), out=str(tmp_path / "out"), workers=1)


def assert_same(ours: PreparedData, theirs: PreparedData) -> None:
    assert (ours.train.study_ids, ours.train.references) == (theirs.train.study_ids, theirs.train.references)
    assert ours.fingerprint == theirs.fingerprint
    assert ours.tokenizer.to_json() == theirs.tokenizer.to_json()
    for mine, other in ((ours.train, theirs.train), (ours.val, theirs.val)):
        assert list(mine.tokens) == list(other.tokens)
        assert list(mine.labels) == list(other.labels)
        assert (ours.cache.images(mine.frontal) == theirs.cache.images(other.frontal)).all()


def test_a_later_start_finds_the_same_as_the_first(settings: Settings, tmp_path: Path) -> None:
    first, second = prepare_data(settings, None), prepare_data(settings, None)
    assert_same(second, first)
    assert_same(prepare_data(replace(settings, out=str(tmp_path / "another")), None), first)
    assert list(first.train.labels) == [label_report(text) for text in first.train.references]


def test_damage_to_what_is_kept_changes_nothing_and_is_said(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    first = prepare_data(settings, None)
    kept = sorted(settings.cache_folder.glob("*.bin"))
    assert [path.name.split("-")[0] for path in kept] == ["labels", "tokenizer"]
    for path in kept:
        path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert_same(prepare_data(settings, None), first)
    assert caplog.text.count("is damaged") == 2


def test_an_image_truncated_since_the_last_start_is_counted_named_and_left_out_of_the_same_run(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    first = prepare_data(settings, None)
    film = Path(settings.root) / "4.png"
    film.write_bytes(film.read_bytes()[:100])
    with caplog.at_level(logging.INFO):
        second = prepare_data(settings, None)
    assert "left out 1: image cannot be read (the file is truncated) (4.png)" in caplog.text
    assert [each for each in first.train.study_ids if each not in second.train.study_ids] == ["4.png"]
    assert second.fingerprint == first.fingerprint  # it is the same run, with a loss


def test_an_image_deleted_since_the_last_start_is_counted_named_and_left_out(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for has_index in (False, True):
        monkeypatch.setattr(manifest, "INDEXED_FROM", 1 if has_index else 100)
        film = Path(settings.root) / "4.png"
        content = film.read_bytes()
        first = prepare_data(settings, None)
        film.unlink()
        caplog.clear()
        with caplog.at_level(logging.INFO):
            second = prepare_data(settings, None)
        reason = "image cannot be read (no such file)" if has_index else "image is missing"
        assert f"left out 1: {reason} (4.png)" in caplog.text
        assert [each for each in first.train.study_ids if each not in second.train.study_ids] == ["4.png"]
        assert share_in_common(first.fingerprint, second.fingerprint) == (1 if has_index else 7 / 8)
        film.write_bytes(content)
