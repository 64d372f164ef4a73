"""The image processor of an exported model gives what training saw."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xr2text_core.data.augment import to_float
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError
from xr2text_core.drawing.names import draw_image
from xr2text_core.release.image_processor import XR2TextImageProcessor

SIZE = 64


@pytest.fixture(scope="module")
def processor() -> XR2TextImageProcessor:
    return XR2TextImageProcessor(SIZE)


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return np.asarray(draw_image("phantom:3/1", 600))[:, :500]


@pytest.fixture(params=["film.png", "film.jpg"])
def path(request: pytest.FixtureRequest, film: np.ndarray, tmp_path: Path) -> Path:
    Image.fromarray(film).save(tmp_path / request.param)
    return tmp_path / request.param


def trained_on(path: Path) -> torch.Tensor:
    return to_float(torch.from_numpy(read_image(str(path), SIZE)).unsqueeze(0))


def test_a_path_gives_the_pixels_of_training(processor: XR2TextImageProcessor, path: Path) -> None:
    pixels = processor(path)["pixel_values"]
    assert torch.equal(pixels, trained_on(path))
    assert torch.equal(pixels, processor(str(path)).pixel_values)
    assert pixels.shape == (1, 1, SIZE, SIZE) and pixels.min() >= 0 and 0.5 < pixels.max() <= 1


def test_an_opened_image_gives_them_too_and_stays_as_it_is(processor: XR2TextImageProcessor, path: Path) -> None:
    with Image.open(path) as image:
        assert torch.equal(processor(image)["pixel_values"], trained_on(path))
        assert image.size == (500, 600)


def test_a_decoded_image_and_an_array_give_those_of_a_lossless_file(
    processor: XR2TextImageProcessor, film: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(film).save(tmp_path / "film.png")
    for image in (Image.fromarray(film), film, torch.from_numpy(film.copy()), np.stack([film] * 3, axis=2)):
        assert torch.equal(processor(image)["pixel_values"], trained_on(tmp_path / "film.png"))


def test_16_bits_are_scaled_as_in_a_file(processor: XR2TextImageProcessor, film: np.ndarray, tmp_path: Path) -> None:
    deep = film.astype(np.uint16) * 16
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert torch.equal(processor(deep)["pixel_values"], trained_on(tmp_path / "deep.png"))


def test_several_images_become_one_batch(processor: XR2TextImageProcessor, film: np.ndarray, path: Path) -> None:
    batch = processor([path, film, Image.fromarray(film)], return_tensors="np")["pixel_values"]
    assert isinstance(batch, np.ndarray) and batch.shape == (3, 1, SIZE, SIZE)
    assert np.array_equal(batch[:1], trained_on(path).numpy())


def test_it_returns_from_disk_the_same(processor: XR2TextImageProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    assert XR2TextImageProcessor.from_pretrained(tmp_path).image_size == SIZE


@pytest.mark.parametrize("shape", [(3, 20, 20), (20,), (1, 20, 20, 3)])
def test_an_array_of_another_shape_is_named(processor: XR2TextImageProcessor, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape .* expected \(height, width\)"):
        processor(np.zeros(shape, dtype=np.uint8))


def test_a_missing_file_is_named(processor: XR2TextImageProcessor, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png: no such file"):
        processor(tmp_path / "none.png")
