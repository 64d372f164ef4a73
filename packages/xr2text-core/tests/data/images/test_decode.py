"""Every kind of image file becomes an upright grey square, or an ImageError that names it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError


def gradient(width: int = 200, height: int = 100) -> np.ndarray:
    """Dark on the left, bright on the right: a flip would show."""
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def test_long_side_fits_and_short_side_is_padded_with_black(tmp_path: Path) -> None:
    Image.fromarray(np.full((100, 200), 200, np.uint8)).save(tmp_path / "wide.png")
    pixels = read_image(str(tmp_path / "wide.png"), 64)
    assert pixels.shape == (64, 64)
    assert pixels.dtype == np.uint8
    assert (pixels[:16] == 0).all()
    assert (pixels[48:] == 0).all()
    assert (pixels[16:48] == 200).all()


def test_nothing_is_mirrored(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", quality=95)
    middle = read_image(str(tmp_path / "a.jpg"), 64)[32].astype(int)
    assert middle[0] < 10
    assert middle[-1] > 245


def test_fast_jpeg_decoding_is_close_to_full_decoding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (40, 30), dtype=np.uint8))
    coarse.resize((900, 1200), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        full = np.asarray(image.convert("L").resize((96, 128), Image.Resampling.BICUBIC)).astype(int)
    fast = read_image(str(tmp_path / "a.jpg"), 128)[:, 16:112].astype(int)
    assert np.abs(fast - full).mean() < 2.0


@pytest.mark.parametrize("peak", [4095, 65535])
def test_16_bit_png_uses_the_full_range_whatever_its_depth(tmp_path: Path, peak: int) -> None:
    values = (gradient().astype(np.uint32) * peak // 255).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = read_image(str(tmp_path / "deep.png"), 200)[50:150].astype(int)
    assert np.abs(pixels - gradient()).max() <= 2


def test_8_bit_values_in_a_16_bit_file_keep_their_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((10, 10), 80, np.uint16)).save(tmp_path / "dark.png")
    assert (read_image(str(tmp_path / "dark.png"), 10) == 80).all()


def test_alpha_lies_on_black_and_an_empty_alpha_is_ignored(tmp_path: Path) -> None:
    pixels = np.full((10, 10, 4), 200, np.uint8)
    pixels[:, :5, 3], pixels[:, 5:, 3] = 0, 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    pixels[..., 3] = 0
    Image.fromarray(pixels).save(tmp_path / "hidden.png")
    half = read_image(str(tmp_path / "half.png"), 10)
    assert (half[:, :5] == 0).all()
    assert (half[:, 5:] == 200).all()
    assert (read_image(str(tmp_path / "hidden.png"), 10) == 200).all()


@pytest.mark.parametrize(
    ("mode", "suffix"), [("RGB", "jpg"), ("CMYK", "jpg"), ("P", "png"), ("1", "png"), ("LA", "png"), ("F", "tiff")]
)
def test_every_mode_gives_the_same_grey_picture(tmp_path: Path, mode: str, suffix: str) -> None:
    picture = Image.fromarray(np.where(gradient() > 127, 255, 0).astype(np.uint8))
    picture.convert(mode).save(tmp_path / f"a.{suffix}")
    pixels = read_image(str(tmp_path / f"a.{suffix}"), 100)[25:75].astype(int)
    assert pixels[:, :45].max() < 20
    assert pixels[:, 55:].min() > 235


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn 90 degrees clockwise to view
    Image.fromarray(gradient()).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    column = read_image(str(tmp_path / "turned.jpg"), 100)[:, 50].astype(int)
    assert column[0] < 10
    assert column[-1] > 245


def test_truncated_jpeg_is_an_error_and_not_half_a_picture(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300), dtype=np.uint8)).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"a\.jpg.*truncated"):
        read_image(str(tmp_path / "a.jpg"), 32)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"no image at all", "not an image")])
def test_unreadable_files_are_named_with_their_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ImageError, match=rf"bad\.png: .*{reason}"):
        read_image(str(tmp_path / "bad.png"), 32)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_image(str(tmp_path / "gone.png"), 32)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_extremely_thin_image_still_gives_a_square(tmp_path: Path, name: str) -> None:
    Image.fromarray(np.full((1, 500), 90, np.uint8)).save(tmp_path / name)
    pixels = read_image(str(tmp_path / name), 32)
    assert pixels.shape == (32, 32)
    assert 85 <= pixels.max() <= 95


def test_a_phantom_is_drawn_by_its_name() -> None:
    pixels = read_image("phantom:0/3", 64)
    assert pixels.shape == (64, 64)
    assert pixels.max() > pixels.min()
