"""The view of a film, from words and from its picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.readers.projections import FILE_NAME, symmetries, symmetry, views_by_symmetry
from xr2text_core.data.readers.views import view_name
from xr2text_core.drawing.names import draw_image

IU_XRAY = Path(__file__).parents[5].parent / "shared" / "data" / "iu-xray"


@pytest.mark.parametrize(
    ("words", "view"),
    [
        ("PA", "PA"), ("AP SUPINE", "AP"), ("ap_portable", "AP"), ("Frontal", "frontal"), ("Posteroanterior", "PA"),
        ("LATERAL", "lateral"), ("LL", "lateral"), ("L", "lateral"), ("left lateral", "lateral"),
        ("Xray Chest PA and Lateral", "unknown"), ("PA/LAT", "unknown"), ("AP and PA", "frontal"),
        ("", "unknown"), ("CHEST, TWO VIEWS", "unknown"), ("swimmers", "unknown"),
    ],
)  # fmt: skip
def test_words_of_data_sets_are_known(words: str, view: str) -> None:
    assert view_name(words) == view


def test_a_frontal_chest_is_more_symmetric_than_half_of_one() -> None:
    chest = draw_image("phantom:0/0", 32)
    half = np.asarray(Image.fromarray(chest[:, :16]).resize((32, 32)))
    assert symmetry(chest) > 0.7 > symmetry(half)
    assert symmetry(np.zeros((32, 32), np.uint8)) == 0


def test_the_most_symmetric_film_is_frontal_and_what_cannot_be_one_lateral() -> None:
    films = [("a", "unknown"), ("b", "unknown"), ("c", "unknown"), ("d", "unknown")]
    found = views_by_symmetry(films, {"a": 0.3, "b": 0.6, "c": 0.9})  # d could not be read
    assert [view for _, view in found] == ["lateral", "unknown", "frontal", "unknown"]
    assert views_by_symmetry([("a", "unknown")], {"a": 0.2}) == [("a", "lateral")]
    assert views_by_symmetry([], {}) == []


def test_a_film_is_looked_at_once_unless_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = tmp_path / "a.png"
    Image.fromarray(draw_image("phantom:0/0", 64)).save(film)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    films = [str(film), str(tmp_path / "broken.png"), str(tmp_path / "gone.png")]
    first = symmetries(tmp_path, films)
    assert list(first) == [str(film)] and first[str(film)] > 0.7
    with monkeypatch.context() as patch:
        patch.setattr("xr2text_core.data.readers.projections.read_image", lambda *_: pytest.fail("looked at again"))
        assert symmetries(tmp_path, films) == first
    Image.fromarray(draw_image("phantom:0/0", 64)[:, :32]).save(film)
    assert symmetries(tmp_path, films)[str(film)] < first[str(film)]
    (tmp_path / FILE_NAME).write_bytes(b"damaged")
    assert symmetries(tmp_path, films)[str(film)] < first[str(film)]


@pytest.mark.skipif(not IU_XRAY.is_dir(), reason=f"the real radiographs are not there: {IU_XRAY}")
def test_of_real_studies_the_frontal_film_is_found_in_98_of_100(tmp_path: Path) -> None:
    from xr2text_core.data.readers.iu_xray import read

    studies = [study for study in read(IU_XRAY).studies[::20] if study.views[1:2] == ("lateral",)]
    found = symmetries(tmp_path, [film for study in studies for film in study.images])
    views = [dict(views_by_symmetry([(film, "unknown") for film in study.images], found)) for study in studies]
    right = [each[study.frontal] == "frontal" for each, study in zip(views, studies, strict=True)]
    assert len(right) > 100 and sum(right) >= 0.98 * len(right)
