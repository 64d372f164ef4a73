"""Cached tokens are those of the encoder, whatever happened to the file or to the films in between."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.images import cache_files, tokens
from xr2text_core.data.images.cache import ImageCache, build_cache
from xr2text_core.data.images.cache_files import caches
from xr2text_core.data.images.formats import Pixels
from xr2text_core.data.images.tokens import AT_ONCE, TokenCache, Tokens, num_cached
from xr2text_core.data.study import DatasetError

SIZE, SHAPE = 8, (4, 3)
NUM_FILMS = 2 * AT_ONCE + 3


def of(pixels: Pixels) -> Tokens:
    """Twelve values that depend on all pixels of a film."""
    return (pixels.reshape(len(pixels), 1, -1) @ np.arange(12 * SIZE**2).reshape(12, -1).T % 97).reshape(
        -1, *SHAPE
    ).astype(np.float16)  # fmt: skip


class Encoder:
    """Counts the films that it sees, and breaks off after so many."""

    def __init__(self, most: int = 10**6) -> None:
        self.count, self.most = 0, most

    def __call__(self, pixels: Pixels) -> Tokens:
        if self.count + len(pixels) > self.most:
            raise KeyboardInterrupt
        self.count += len(pixels)
        return of(pixels)


def draw(folder: Path, count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    names = [str(folder / f"{number:02}.png") for number in range(count)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (SIZE, SIZE), dtype=np.uint8)).save(name)
    return names


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return draw(tmp_path, NUM_FILMS)


@pytest.fixture
def images(tmp_path: Path, names: list[str]) -> ImageCache:
    return build_cache(tmp_path / "cache", names, SIZE, workers=1)


@pytest.fixture
def filled(images: ImageCache, names: list[str]) -> TokenCache:
    cache = TokenCache(images, SHAPE, "key", Encoder())
    cache.fill(names)
    return cache


def assert_right(cache: TokenCache, names: list[str]) -> None:
    assert (cache.tokens(names) == of(cache.images.images(names))).all()


def test_each_film_is_encoded_once_for_all_runs(filled: TokenCache, images: ImageCache, names: list[str]) -> None:
    assert_right(filled, [names[5], names[0], names[5], names[-1]])
    later = TokenCache(images, SHAPE, "key", Encoder())
    later.fill(names)
    assert_right(later, names)
    assert (filled.encode.count, later.encode.count) == (NUM_FILMS, 0)  # type: ignore[attr-defined]


def test_another_encoder_has_a_file_of_its_own(filled: TokenCache, images: ImageCache, names: list[str]) -> None:
    other = TokenCache(images, SHAPE, "other", lambda pixels: of(pixels) + np.float16(1))
    other.fill(names)
    assert (other.tokens(names) == filled.tokens(names) + 1).all()
    listed = next(caches(images.path.parent))
    assert [name for name, _ in listed[3]] == ["tokens-4x3-key.f16", "tokens-4x3-other.f16"]
    assert all(size == NUM_FILMS * (8 + 2 * 12) for _, size in listed[3])


def test_a_build_that_is_killed_continues_where_it_was(images: ImageCache, names: list[str]) -> None:
    broken, second = Encoder(most=AT_ONCE), Encoder()
    with pytest.raises(KeyboardInterrupt):
        TokenCache(images, SHAPE, "key", broken).fill(names)
    cache = TokenCache(images, SHAPE, "key", second)
    cache.fill(names)
    assert_right(cache, names)
    assert broken.count + second.count == NUM_FILMS


def damage_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[32 * 3 + 20] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 32 * 3 + 7])


def swap_two_rows(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[32:64] + content[:32] + content[64:])


@pytest.mark.parametrize("damage", [damage_a_byte, cut, swap_two_rows])
@pytest.mark.parametrize("at", ["between two starts", "while a run reads"])
def test_a_damaged_row_is_encoded_again(
    filled: TokenCache, names: list[str], damage: Callable[[Path], None], at: str
) -> None:
    cache = filled
    damage(filled.path)
    if at == "between two starts":
        cache = TokenCache(filled.images, SHAPE, "key", Encoder())
        cache.fill(names)
    assert_right(cache, names)
    later = TokenCache(filled.images, SHAPE, "key", Encoder())
    assert_right(later, names)  # it was repaired in the file too
    assert later.encode.count == 0  # type: ignore[attr-defined]


def test_damage_is_told_and_a_file_without_write_permission_is_read_all_the_same(
    filled: TokenCache, names: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_a_byte(filled.path)

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(tokens.RowFile, "write", refuse)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_right(filled, names)
    assert caplog.text.count("the cached tokens of 03.png are damaged") == 2
    assert caplog.text.count("cannot repair the cached tokens: read-only") == 2


def test_only_films_that_are_new_or_changed_are_encoded(filled: TokenCache, names: list[str], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    grown = [*names, *draw(tmp_path / "new", 3, seed=1)]
    Image.fromarray(np.full((SIZE, SIZE), 9, dtype=np.uint8)).save(names[4])
    images = build_cache(tmp_path / "cache", grown, SIZE, workers=1)
    assert images.path == filled.images.path
    later = TokenCache(images, SHAPE, "key", Encoder())
    later.fill(grown)
    assert later.encode.count == 4  # type: ignore[attr-defined]
    assert_right(later, grown)
    assert num_cached(images.path, SHAPE, len(images)) == len(grown)
    assert num_cached(images.path, (4, 5), len(images)) == 0


def test_the_size_is_told_first_and_without_room_nothing_is_written(
    images: ImageCache, names: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = NUM_FILMS * (8 + 2 * 12)
    cache = TokenCache(images, SHAPE, "key", Encoder(most=0))
    monkeypatch.setattr(cache_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with caplog.at_level(logging.INFO), pytest.raises(DatasetError, match=r"are needed.*leave --cache-tokens out"):
        cache.fill(names)
    assert f"Encoding {NUM_FILMS} of {NUM_FILMS} films once: 4 tokens of 3 values each, 0.0 MB" in caplog.text
    assert not cache.path.exists()


def test_values_that_fp16_cannot_hold_are_an_error(images: ImageCache, names: list[str]) -> None:
    cache = TokenCache(images, SHAPE, "key", lambda pixels: np.full((len(pixels), *SHAPE), np.inf, np.float16))
    with pytest.raises(DatasetError, match="FP16 cannot hold: leave --cache-tokens out"):
        cache.fill(names)


def test_a_film_that_was_lost_since_it_was_decoded_is_left_out(images: ImageCache, names: list[str]) -> None:
    content = bytearray((images.path / "images.u8").read_bytes())
    content[images.place(names[2])[0] * SIZE**2] ^= 1
    (images.path / "images.u8").write_bytes(content)
    Path(names[2]).unlink()
    cache = TokenCache(images, SHAPE, "key", Encoder())
    cache.fill(names)
    assert_right(cache, [name for name in names if name != names[2]])
    assert cache.encode.count == NUM_FILMS - 1  # type: ignore[attr-defined]
