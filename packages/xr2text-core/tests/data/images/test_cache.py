"""The cache gives the pixels of read_image, whatever happened to its files or to the sources in between."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xr2text_core.drawing
from xr2text_core.data.images import cache as cache_module
from xr2text_core.data.images import cache_files
from xr2text_core.data.images.cache import build_cache
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError
from xr2text_core.data.study import DatasetError

SIZE = 16


def write_images(folder: Path, count: int = 6) -> list[str]:
    rng = np.random.default_rng(0)
    names = [str(folder / f"{number}.png") for number in range(count)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (20, 12), dtype=np.uint8)).save(name)
    return names


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were decoded, in order."""
    names: list[str] = []

    def counting(name: str, size: int) -> np.ndarray:
        names.append(name)
        return read_image(name, size)

    monkeypatch.setattr(cache_module, "read_image", counting)
    return names


def expected(names: list[str]) -> np.ndarray:
    return np.stack([read_image(name, SIZE) for name in names])


def test_cached_pixels_are_those_of_read_image_in_the_order_asked_for(tmp_path: Path) -> None:
    names = write_images(tmp_path)
    cache = build_cache(tmp_path / "cache", names, SIZE)
    order = [names[4], names[0], names[4]]
    assert (cache.images(order) == expected(order)).all()
    assert (cache.read(names[2]) == expected([names[2]])[0]).all()


def test_opening_twice_decodes_nothing_again(tmp_path: Path, decoded: list[str]) -> None:
    names = write_images(tmp_path)
    build_cache(tmp_path / "cache", names, SIZE)
    assert sorted(decoded) == sorted(names)
    second = build_cache(tmp_path / "cache", [*reversed(names), names[0]], SIZE)
    assert len(decoded) == len(names)
    assert (second.images(names) == expected(names)).all()


def test_another_size_is_another_cache(tmp_path: Path) -> None:
    names = write_images(tmp_path)
    assert build_cache(tmp_path / "c", names, 8).path != build_cache(tmp_path / "c", names, 16).path


def test_unreadable_images_are_named_and_the_rest_is_cached(tmp_path: Path, decoded: list[str]) -> None:
    names = write_images(tmp_path)
    Path(names[1]).write_bytes(b"broken")
    names.append(str(tmp_path / "gone.png"))
    for _ in range(2):  # the second time the reasons come from the cache
        cache = build_cache(tmp_path / "cache", names, SIZE)
        assert set(cache.unreadable) == {names[1], names[-1]}
        assert cache.unreadable[names[-1]] == "no such file"
        assert (cache.images([names[0]]) == expected([names[0]])).all()
    assert len(decoded) == len(names)
    with pytest.raises(ImageError, match=r"^\S*gone\.png: no such file$"):
        cache.images([names[-1]])


def test_a_repaired_source_is_read_and_no_longer_unreadable(tmp_path: Path) -> None:
    names = write_images(tmp_path)
    good = Path(names[1]).read_bytes()
    Path(names[1]).write_bytes(b"broken")
    build_cache(tmp_path / "cache", names, SIZE)
    Path(names[1]).write_bytes(good)
    cache = build_cache(tmp_path / "cache", names, SIZE)
    assert cache.unreadable == {}
    assert (cache.images(names) == expected(names)).all()


def test_only_a_changed_source_is_decoded_again(tmp_path: Path, decoded: list[str]) -> None:
    names = write_images(tmp_path)
    build_cache(tmp_path / "cache", names, SIZE)
    decoded.clear()
    Image.fromarray(np.full((30, 30), 77, np.uint8)).save(names[3])
    cache = build_cache(tmp_path / "cache", names, SIZE)
    assert decoded == [names[3]]
    assert (cache.read(names[3]) == 77).all()


def test_an_interrupted_build_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = sorted(write_images(tmp_path))
    decoded: list[str] = []

    def interrupted(name: str, size: int) -> np.ndarray:
        if name == names[4]:
            raise KeyboardInterrupt
        return read_image(name, size)

    def counting(name: str, size: int) -> np.ndarray:
        decoded.append(name)
        return read_image(name, size)

    monkeypatch.setattr(cache_module, "IMAGES_PER_WORKER", 2)
    monkeypatch.setattr(cache_module, "read_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path / "cache", names, SIZE, workers=1)
    monkeypatch.setattr(cache_module, "read_image", counting)
    cache = build_cache(tmp_path / "cache", names, SIZE, workers=1)
    assert decoded == names[4:]
    assert (cache.images(names) == expected(names)).all()


def test_damaged_pixels_are_noticed_decoded_again_and_repaired(
    tmp_path: Path, decoded: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    names = write_images(tmp_path)
    cache = build_cache(tmp_path / "cache", names, SIZE)
    with (cache.path / "images.u8").open("r+b") as file:
        file.seek(2 * SIZE * SIZE + 40)
        file.write(b"\x01\x02\x03\x04")
    for _ in range(2):
        cache = build_cache(tmp_path / "cache", names, SIZE)
        assert (cache.images(names) == expected(names)).all()
    assert len(decoded) == len(names) + 1
    assert "damaged" in caplog.text


@pytest.mark.parametrize("file_name", ["images.u8", "rows.bin", "index.json"])
def test_a_cache_with_a_cut_file_is_rebuilt_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file_name: str
) -> None:
    names = write_images(tmp_path)
    path = build_cache(tmp_path / "cache", names, SIZE).path / file_name
    path.write_bytes(path.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING):
        cache = build_cache(tmp_path / "cache", names, SIZE)
    assert (cache.images(names) == expected(names)).all()
    assert "damaged" in caplog.text


def test_phantoms_are_cached_like_files_and_drawn_once(tmp_path: Path, decoded: list[str]) -> None:
    names = ["phantom:0/1", "phantom:0/2"]
    build_cache(tmp_path, names, SIZE)
    cache = build_cache(tmp_path, names, SIZE)
    assert len(decoded) == 2
    assert (cache.images(names) == expected(names)).all()


def test_a_name_that_was_not_cached_is_an_error_that_says_so(tmp_path: Path) -> None:
    cache = build_cache(tmp_path / "cache", write_images(tmp_path), SIZE)
    with pytest.raises(KeyError, match="not in the image cache"):
        cache.images(["other.png"])


def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match="cannot write the image cache"):
        build_cache(tmp_path / "cache", write_images(tmp_path), SIZE)


def test_a_data_set_that_grew_or_shrank_by_an_image_is_not_decoded_again(tmp_path: Path, decoded: list[str]) -> None:
    names = write_images(tmp_path)
    build_cache(tmp_path / "cache", names[:5], SIZE)
    decoded.clear()
    grown = build_cache(tmp_path / "cache", names, SIZE)
    assert decoded == [names[5]]
    shrunk = build_cache(tmp_path / "cache", names[1:], SIZE)
    assert decoded == [names[5]]
    assert grown.path == shrunk.path and len(list((tmp_path / "cache").glob("*px-*"))) == 1  # no second copy
    assert (grown.images(names) == expected(names)).all()
    assert (shrunk.images(names[1:]) == expected(names[1:])).all()


def test_damaged_or_stale_pixels_of_another_cache_are_not_taken_over(tmp_path: Path, decoded: list[str]) -> None:
    names = write_images(tmp_path)
    older = build_cache(tmp_path / "cache", names[:5], SIZE)
    with (older.path / "images.u8").open("r+b") as file:
        file.write(b"\x01\x02\x03\x04")
    Image.fromarray(np.full((30, 30), 77, np.uint8)).save(names[1])
    decoded.clear()
    cache = build_cache(tmp_path / "cache", names, SIZE)
    assert (cache.images(names) == expected(names)).all()
    assert sorted(decoded) == [names[0], names[1], names[5]]


def test_a_drive_that_was_not_mounted_for_one_start_costs_nothing_at_the_next(
    tmp_path: Path, decoded: list[str]
) -> None:
    (tmp_path / "drive").mkdir()
    names = write_images(tmp_path / "drive")
    build_cache(tmp_path / "cache", names, SIZE)
    (tmp_path / "drive").rename(tmp_path / "elsewhere")
    assert set(build_cache(tmp_path / "cache", names, SIZE).unreadable) == set(names)
    (tmp_path / "elsewhere").rename(tmp_path / "drive")
    decoded.clear()
    cache = build_cache(tmp_path / "cache", names, SIZE)
    assert (cache.unreadable, decoded) == ({}, [])
    assert (cache.images(names) == expected(names)).all()


def test_images_deleted_or_truncated_since_the_last_start_are_named_and_the_rest_is_served(
    tmp_path: Path, decoded: list[str]
) -> None:
    names = write_images(tmp_path)
    build_cache(tmp_path / "cache", names, SIZE)
    Path(names[0]).unlink()
    Path(names[3]).write_bytes(Path(names[3]).read_bytes()[:60])
    decoded.clear()
    for _ in range(2):
        cache = build_cache(tmp_path / "cache", names, SIZE)
        assert set(cache.unreadable) == {names[0], names[3]}
        assert set(decoded) <= {names[0], names[3]}
        assert (cache.read(names[1]) == expected([names[1]])[0]).all()


def test_a_cache_file_cut_under_its_reader_is_repaired_and_shows_no_black_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = write_images(tmp_path, 12)
    cache = build_cache(tmp_path / "cache", names, SIZE)
    assert (cache.images(names) == expected(names)).all()
    with (cache.path / "images.u8").open("r+b") as file:
        file.truncate(3 * SIZE * SIZE + 5)
    last = sorted(names)[-1]
    assert (cache.read(last) == expected([last])[0]).all()  # written back, it leaves a gap of zeros before it
    assert (cache.images(names) == expected(names)).all()
    assert caplog.text.count("damaged") == cache_module.MOST_WARNINGS
    caplog.clear()
    assert (build_cache(tmp_path / "cache", names, SIZE).images(names) == expected(names)).all()
    assert "damaged" not in caplog.text


def test_pixels_that_the_disk_cannot_read_are_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = write_images(tmp_path)
    cache = build_cache(tmp_path / "cache", names, SIZE)

    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("xr2text_core.data.images.row_file.os.preadv", broken, raising=False)
    assert (cache.images(names) == expected(names)).all()


def test_an_image_lost_from_cache_and_source_is_an_error_that_names_it(tmp_path: Path) -> None:
    names = write_images(tmp_path)
    cache = build_cache(tmp_path / "cache", names, SIZE)
    (cache.path / "images.u8").write_bytes(b"")
    Path(names[2]).unlink()
    with pytest.raises(ImageError, match=r"2\.png: no such file"):
        cache.images(names)


def test_decoding_gives_signs_of_life_and_reading_a_ready_cache_needs_none(tmp_path: Path) -> None:
    names, signs = write_images(tmp_path), []
    build_cache(tmp_path / "cache", names, SIZE, is_alive=lambda: signs.append(1))
    assert signs == [1]
    build_cache(tmp_path / "cache", names, SIZE, is_alive=lambda: signs.append(2))
    assert signs == [1]


def test_drawn_images_change_with_all_the_code_that_draws_them() -> None:
    code = Path(xr2text_core.drawing.__file__).parent.glob("*.py")
    length, _ = cache_module._stamp("phantom:0/1")
    assert length == sum(path.stat().st_size for path in code) > 10_000


def test_a_reader_keeps_its_rows_while_its_cache_grows(tmp_path: Path) -> None:
    names = write_images(tmp_path)
    reader = build_cache(tmp_path / "cache", names[2:], SIZE)
    build_cache(tmp_path / "cache", names, SIZE)
    assert (reader.images(names[2:]) == expected(names[2:])).all()
    with pytest.raises(KeyError):
        reader.read(names[0])


def test_extending_a_cache_may_break_off_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = write_images(tmp_path)
    build_cache(tmp_path / "cache", names[:4], SIZE)
    for broken in ("replacing", "replace_json"):
        with monkeypatch.context() as patch:
            patch.setattr(cache_files, broken, lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                build_cache(tmp_path / "cache", names, SIZE)
        assert (build_cache(tmp_path / "cache", names[:4], SIZE).images(names[:4]) == expected(names[:4])).all()
    assert (build_cache(tmp_path / "cache", names, SIZE).images(names) == expected(names)).all()


def test_another_data_set_gets_a_cache_of_its_own_and_all_are_listed(tmp_path: Path) -> None:
    names = write_images(tmp_path)
    build_cache(tmp_path / "cache", names[:4], SIZE)
    build_cache(tmp_path / "cache", names[4:], SIZE)
    listed = list(cache_files.caches(tmp_path / "cache"))
    assert sorted(count for _, count, *_ in listed) == [2, 4]
    assert all(num_bytes >= count * SIZE * SIZE for _, count, num_bytes, _ in listed)
