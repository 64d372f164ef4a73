"""DICOM files become the grey squares that a viewer would show, or an ImageError that says what is missing."""

import base64
import io
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from xr2text_core.data.images.cache import build_cache
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.images.formats import ImageError
from xr2text_core.data.readers.files import image_files
from xr2text_core.generate import images_under

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.pixels import get_decoder  # noqa: E402
from pydicom.uid import (  # noqa: E402
    MPEG2MPML,
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

SIDE = 100
RAMP = np.tile(np.linspace(0, 4095, SIDE).astype(np.uint16), (SIDE, 1))  # dark on the left, bright on the right
EXPECTED = np.rint(RAMP[50] / 4095 * 255)

COMPRESSED = {  # 8 x 8 values in a ramp from 0 to 4095, written by GDCM 3.2.6
    JPEGLosslessSV1: "/9j/wwALEAAIAAgBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAACgAQ/9oACAEBAAEAAMklJKSUkpJSSkmSSklJKSUk"
    "pJSTJJSSklJKSUkpJkkpJSSklJKSUkySUkpJSSklJKSZJKSUkpJSSklJMklJKSUkpJSSkmSSklJKSUkpJST/AP/Z",
    JPEGLSLossless: "/9j/9wALEAAIAAgBAREA//gADQH//wASAEMBFABA/9oACAEBAAAAAJJFJFI9I1ItIlIeAEAIAgCAQCAQAgCAQEBA"
    "QEBAEAQEBAQIECAIBAgQIECBAIBAgQIECBAIBAggggggEAgggggggAD/2QA=",
}


def film(pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian, **elements: Any) -> Dataset:
    """A radiograph with these stored values and elements."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = dataset.BitsAllocated
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset["PixelData"].VR = "OB" if dataset.file_meta.TransferSyntaxUID.is_compressed else "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


def row(dataset: Dataset, folder: Path) -> np.ndarray:
    """The middle row of the picture, in its own size."""
    return read_image(str(save(dataset, folder / "a.dcm")), SIDE)[SIDE // 2].astype(int)


def assert_is_the_ramp(pixels: np.ndarray, tolerance: int = 1) -> None:
    assert np.abs(pixels - EXPECTED).max() <= tolerance


def lookup_table(values: np.ndarray, as_bytes: bool = False) -> Dataset:
    """A table of 12 bits for the stored values 0 to 4095."""
    table = Dataset()
    table.LUTDescriptor, table.LUTData = (
        [len(values), 0, 12],
        values.astype("<u2").tobytes() if as_bytes else values.tolist(),
    )
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW" if as_bytes else "US"
    return table


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_without_a_window_the_values_present_fill_the_range(tmp_path: Path, syntax: UID) -> None:
    assert_is_the_ramp(row(film(RAMP // 2 + 700, syntax), tmp_path), 2)


def test_the_window_of_the_file_cuts_at_both_ends(tmp_path: Path) -> None:
    pixels = row(film(RAMP, WindowCenter=2048, WindowWidth=2048), tmp_path)
    assert (pixels[:25] == 0).all() and (pixels[-24:] == 255).all()
    assert pixels[50] == pytest.approx(128, abs=4)


def test_the_first_of_several_windows_counts(tmp_path: Path) -> None:
    pixels = row(film(RAMP, WindowCenter=[2048, 100], WindowWidth=[4096, 10]), tmp_path)
    assert_is_the_ramp(pixels)


def test_rescale_comes_before_the_window(tmp_path: Path) -> None:
    elements = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3095.5, "WindowWidth": 8191}
    assert_is_the_ramp(row(film(RAMP, **elements), tmp_path))


def test_a_negative_slope_turns_the_film_over(tmp_path: Path) -> None:
    assert_is_the_ramp(row(film(4095 - RAMP, RescaleSlope=-1, RescaleIntercept=4095), tmp_path))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_modality_table_comes_before_the_window(tmp_path: Path, as_bytes: bool) -> None:
    table = lookup_table(4095 - np.arange(4096), as_bytes)
    elements = {"ModalityLUTSequence": [table], "WindowCenter": 2048, "WindowWidth": 4096}
    assert_is_the_ramp(row(film(4095 - RAMP, **elements), tmp_path))


def test_a_window_of_values_is_read_as_the_standard_says(tmp_path: Path) -> None:
    """PS3.3 C.11.2.1.2.1: with centre 2048 and width 4096, 0 is the last black and 4095 the first white."""
    stored = np.tile(np.array([0, 1, 2047, 2048, 4094, 4095], np.uint16), (6, 1))
    exact = read_image(str(save(film(stored, WindowCenter=2048, WindowWidth=4096), tmp_path / "a.dcm")), 6)[3]
    assert exact.tolist() == [0, 0, 127, 128, 255, 255]


def test_a_sigmoid_window_never_cuts(tmp_path: Path) -> None:
    pixels = row(film(RAMP, WindowCenter=2048, WindowWidth=2048, VOILUTFunction="SIGMOID"), tmp_path)
    assert 0 < pixels[0] < 10 and pixels[50] == pytest.approx(128, abs=6) and 245 < pixels[-1] < 255


def test_a_voi_table_wins_over_the_window(tmp_path: Path) -> None:
    table = lookup_table(np.arange(4096))
    assert_is_the_ramp(row(film(RAMP, VOILUTSequence=[table], WindowCenter=1, WindowWidth=2), tmp_path))


@pytest.mark.parametrize(("centre", "width"), [(2048, 0), (2048, 1), (90000, 10), (None, None)])
def test_a_window_that_shows_nothing_is_left_out(tmp_path: Path, centre: int | None, width: int | None) -> None:
    assert_is_the_ramp(row(film(RAMP, WindowCenter=centre, WindowWidth=width), tmp_path))


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    assert_is_the_ramp(row(film(4095 - RAMP, PhotometricInterpretation="MONOCHROME1"), tmp_path))


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_around_the_film_is_black_and_stretches_nothing(tmp_path: Path, interpretation: str) -> None:
    stored = RAMP.copy()
    stored[:, :10] = 60000
    dataset = film(stored, PixelPaddingValue=60000, PhotometricInterpretation=interpretation)
    dataset["PixelPaddingValue"].VR = "US"
    pixels = row(dataset, tmp_path)
    assert (pixels[:10] == 0).all() and np.ptp(pixels[10:]) == 255


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.uint16])
def test_depth_and_sign_make_no_difference(tmp_path: Path, kind: type) -> None:
    stored = np.round(np.interp(RAMP, (0, 4095), (np.iinfo(kind).min, np.iinfo(kind).max))).astype(kind)
    assert_is_the_ramp(row(film(stored), tmp_path))


def test_12_stored_bits_of_16_are_enough(tmp_path: Path) -> None:
    assert_is_the_ramp(row(film(RAMP, BitsStored=12), tmp_path))


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_becomes_grey_however_its_planes_lie(tmp_path: Path, planar: int) -> None:
    grey = np.rint(RAMP / 4095 * 255).astype(np.uint8)
    colour = np.stack([grey] * 3, axis=2)
    elements = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": planar}
    dataset = film(colour, **elements)
    dataset.PixelData = (colour.transpose(2, 0, 1) if planar else colour).tobytes()
    assert_is_the_ramp(row(dataset, tmp_path))


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    indices = np.rint(RAMP / 4095 * 255).astype(np.uint8)
    dataset = film(255 - indices, PhotometricInterpretation="PALETTE COLOR", PixelRepresentation=0)
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
        dataset[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(dataset, f"{colour}PaletteColorLookupTableData", bytes(range(255, -1, -1)))
    assert_is_the_ramp(row(dataset, tmp_path))


def test_of_several_frames_the_first_is_used_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = film(RAMP, NumberOfFrames=2, SOPClassUID=CTImageStorage)
    dataset.PixelData = RAMP.tobytes() + (4095 - RAMP).tobytes()
    with caplog.at_level(logging.WARNING, "xr2text_core"):
        assert_is_the_ramp(row(dataset, tmp_path))
    assert [record.getMessage() for record in caplog.records] == ["a.dcm has 2 frames; the first is used"]


def as_pillow_writes(kind: str, values: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return encapsulate([buffer.getvalue()])


def test_jpeg_baseline_is_decoded(tmp_path: Path) -> None:
    grey = np.rint(RAMP / 4095 * 255).astype(np.uint8)
    dataset = film(grey, JPEGBaseline8Bit, PixelData=as_pillow_writes("JPEG", grey, quality=95))
    assert_is_the_ramp(row(dataset, tmp_path), 4)


def test_jpeg_2000_is_decoded(tmp_path: Path) -> None:
    if not features.check("jpg_2000"):
        pytest.skip("this Pillow was built without JPEG 2000")
    dataset = film(RAMP, JPEG2000Lossless, PixelData=as_pillow_writes("JPEG2000", RAMP, no_jp2=True))
    assert_is_the_ramp(row(dataset, tmp_path))


def test_rle_is_decoded(tmp_path: Path) -> None:
    dataset = film(RAMP)
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    assert_is_the_ramp(row(dataset, tmp_path))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless], ids=["JPEG Lossless", "JPEG-LS"])
def test_lossless_jpeg_is_decoded(tmp_path: Path, syntax: UID) -> None:
    if "pylibjpeg" not in get_decoder(syntax).available_plugins:
        pytest.skip("pylibjpeg-libjpeg is not installed")
    stored = np.tile(np.linspace(0, 4095, 8).astype(np.uint16), (8, 1))
    compressed = encapsulate([base64.b64decode(COMPRESSED[syntax])])
    path = save(film(stored, syntax, BitsStored=12, PixelData=compressed), tmp_path / "a.dcm")
    assert read_image(str(path), 8)[4].tolist() == np.rint(stored[4] / 4095 * 255).tolist()


def test_gdcm_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the process on some damaged files, and a night's training with it."""
    monkeypatch.setattr(get_decoder(JPEGLosslessSV1), "_available", {"gdcm": None})
    path = save(film(RAMP, JPEGLosslessSV1, PixelData=encapsulate([b"compressed"])), tmp_path / "a.dcm")
    with pytest.raises(ImageError, match="no decoder"):
        read_image(str(path), SIDE)


def test_jpeg_of_12_bits_is_not_left_to_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_decoder(JPEGExtended12Bit), "_available", {"pillow": None})
    dataset = film(RAMP, JPEGExtended12Bit, BitsStored=12, PixelData=encapsulate([b"compressed"]))
    with pytest.raises(ImageError, match="pip install pylibjpeg pylibjpeg-libjpeg"):
        read_image(str(save(dataset, tmp_path / "a.dcm")), SIDE)


@pytest.mark.parametrize(
    ("syntax", "package"), [(JPEGLosslessSV1, "libjpeg"), (JPEG2000Lossless, "openjpeg"), (HTJ2KLossless, "openjpeg")]
)
def test_a_missing_decoder_is_named_with_its_transfer_syntax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: UID, package: str
) -> None:
    monkeypatch.setattr(get_decoder(syntax), "_available", {})  # as where no plugin is installed
    path = save(film(RAMP, syntax, PixelData=encapsulate([b"compressed"])), tmp_path / "a.dcm")
    with pytest.raises(ImageError) as error:
        read_image(str(path), SIDE)
    assert str(error.value) == (
        f"{path}: no decoder for transfer syntax {syntax.name} ({syntax}): pip install pylibjpeg pylibjpeg-{package}"
    )


def test_without_pydicom_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(film(RAMP), tmp_path / "a.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    monkeypatch.delitem(sys.modules, "xr2text_core.data.images.dicom", raising=False)
    with pytest.raises(ImageError, match=r'a\.dcm: .*pip install -e "packages/xr2text-core\[dicom\]"'):
        read_image(str(path), SIDE)


def test_an_image_is_tried_again_once_the_package_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(save(film(RAMP), tmp_path / "a.dcm"))
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pydicom", None)
        without.delitem(sys.modules, "xr2text_core.data.images.dicom", raising=False)
        assert "pip install" in build_cache(tmp_path / "cache", [name], SIDE, workers=1).unreadable[name]
    cache = build_cache(tmp_path / "cache", [name], SIDE, workers=1)
    assert cache.unreadable == {}
    assert_is_the_ramp(cache.read(name)[50].astype(int))


def test_a_video_is_no_radiograph(tmp_path: Path) -> None:
    path = save(film(RAMP, MPEG2MPML, PixelData=encapsulate([b"moving"])), tmp_path / "a.dcm")
    with pytest.raises(ImageError, match=r"MPEG2 .* holds no still picture"):
        read_image(str(path), SIDE)


def test_a_file_without_pixels_is_named(tmp_path: Path) -> None:
    dataset = film(RAMP)
    del dataset.PixelData
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(ImageError, match="holds no picture"):
        read_image(str(tmp_path / "a.dcm"), SIDE)


def test_readers_and_generate_find_dicom_files_by_their_endings(tmp_path: Path) -> None:
    for name in ("a.dcm", "B.DICOM", "c.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert set(image_files(tmp_path)) == {"a.dcm", "B.DICOM", "c.png"}
    assert {path.name for path in images_under([tmp_path])} == {"a.dcm", "B.DICOM", "c.png"}


@pytest.mark.parametrize("name", ["IM000001", "1.2.840.113619.2"])
def test_the_mark_inside_tells_a_file_without_a_known_ending(tmp_path: Path, name: str) -> None:
    assert_is_the_ramp(read_image(str(save(film(RAMP), tmp_path / name)), SIDE)[50].astype(int))


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file"), (b"", "not a DICOM"), (b"x" * 500, "not a DICOM")]
)
def test_what_is_no_dicom_file_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(ImageError, match=rf"a\.dcm: {reason}"):
        read_image(str(tmp_path / "a.dcm"), SIDE)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom says what it finds odd
def test_damaged_files_give_a_picture_or_an_error_that_names_them(tmp_path: Path) -> None:
    """Cut short and overwritten at random: never another exception, which would end a night's training."""
    whole = save(film(RAMP[:20, :20], WindowCenter=[2048, 1], WindowWidth=[4096, 2]), tmp_path / "a.dcm").read_bytes()
    rng = np.random.default_rng(0)
    for attempt in range(300):
        damaged = bytearray(whole[: rng.integers(132, len(whole))] if attempt % 2 else whole)
        for place in rng.integers(132, len(damaged), 4 if len(damaged) > 132 else 0):
            damaged[place] = rng.integers(256)
        path = tmp_path / f"{attempt}.dcm"
        path.write_bytes(damaged)
        try:
            assert read_image(str(path), 32).shape == (32, 32)
        except ImageError as error:
            assert os.fspath(path) in str(error)
