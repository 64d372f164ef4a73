"""Reads one image as a square of grey pixels, whatever its format, depth, colour or orientation.

Decoding dominates: a JPEG of 2500 x 3000 px is decoded in grey and at a reduced scale (Pillow's `draft`), which is
several times faster than decoding it in colour and full size. Nothing is mirrored unless the file's own EXIF
orientation asks for it: left and right are words in the report.
"""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from xr2text_core.data.images.formats import DICOM_SUFFIXES, IMAGE_SUFFIXES, INSTALL, ImageError, Pixels
from xr2text_core.drawing.names import PREFIX, draw_image

INTERPOLATION = "bicubic"  # antialiased: Pillow widens the filter by the scale when it shrinks
CODE_VERSION = 1  # increase it when the pixels change, so that older caches are rebuilt
EXTRA = f'{INSTALL} -e "packages/xr2text-core[dicom]" (or: {INSTALL} pydicom pylibjpeg pylibjpeg-openjpeg)'
DICOM_MARK = b"DICM"  # after a preamble of 128 bytes
REDUCING_GAP = 3.0  # shrink by whole numbers first, to 3 x the wanted size: faster, without visible difference

_DECODE_ERRORS = (
    OSError,  # missing, truncated, unknown format
    SyntaxError,  # Pillow raises it for broken PNG chunks
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    MemoryError,
    Image.DecompressionBombError,
)


def read_image(name: str, size: int) -> Pixels:
    """Return the image as (size, size) uint8, 0 black to 255 white, its longest side fitted, centred on black.

    `name` is a path or the name of a drawn phantom (`phantom:SEED/NUMBER`). Raises ImageError.
    """
    if name.startswith(PREFIX):
        return np.asarray(draw_image(name, size), dtype=np.uint8)
    try:
        with _opened(name) as image:
            return square_pixels(image, size)
    except _DECODE_ERRORS as error:
        raise ImageError(f"{name}: {_reason(name, error)}") from error


def square_pixels(image: Image.Image, size: int) -> Pixels:
    """What `read_image` makes of an open image. An undecoded JPEG is decoded at a reduced size, and stays so."""
    return _on_square(_small_grey(image, size), size)


def is_dicom(name: str) -> bool:
    """By the suffix; archives also use names without one, or ids full of dots: then by the magic bytes."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - strings, for speed with 200,000 images
    if suffix in IMAGE_SUFFIXES:
        return suffix in DICOM_SUFFIXES
    with open(name, "rb") as file:  # noqa: PTH123
        return file.read(132)[128:] == DICOM_MARK


def _opened(name: str) -> Image.Image:
    if not is_dicom(name):
        return Image.open(name)
    try:
        from xr2text_core.data.images.dicom import read_dicom  # here, because pydicom is optional
    except ImportError as error:
        raise ImageError(f"{name}: DICOM files need pydicom: {EXTRA}") from error
    return read_dicom(name)


def _small_grey(image: Image.Image, size: int) -> Image.Image:
    """Return the image in mode L, upright, its longest side `size`."""
    full_size = image.size
    drafted = image.draft("L", fitted(full_size, size))  # None for anything but JPEG
    image.load()
    grey = _grey(image)
    if not drafted:
        small = grey.resize(fitted(grey.size, size), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    else:  # at a reduced scale the last column may cover less than a pixel; the box gives the part that is image
        _, box = drafted
        small = grey.resize(fitted(full_size, size), Image.Resampling.BICUBIC, box, REDUCING_GAP)
    small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)  # TIFF lost it
    return ImageOps.exif_transpose(small)


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    if image.has_transparency_data:
        return _on_black(image)
    return image if image.mode == "L" else image.convert("RGB").convert("L")


def _from_deep(image: Image.Image) -> Image.Image:
    """Scale more than 8 bits to 0..255 by the largest value present: many 16-bit files hold only 10 or 12 bits."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    low = min(0.0, float(values.min()))
    high = float(values.max())
    if image.mode != "F":
        high = max(high, 255.0)  # 8-bit values in a deeper file keep their brightness
    scaled = (values - low) * (255.0 / max(high - low, 1e-6))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _on_black(image: Image.Image) -> Image.Image:
    """Lay a transparent image on black. A fully transparent alpha channel is a mistake and is ignored."""
    colour = image.convert("RGBA")
    alpha = colour.getchannel("A")
    grey = colour.convert("RGB").convert("L")
    if alpha.getextrema() == (0, 0):
        return grey
    return Image.composite(grey, Image.new("L", grey.size), alpha)


def fitted(size_px: tuple[int, int], size: int) -> tuple[int, int]:
    """Return width and height scaled so that the longest side is `size`; at least 1 px each."""
    longest = max(size_px)
    width, height = (max(1, round(side * size / longest)) for side in size_px)
    return width, height


def _on_square(image: Image.Image, size: int) -> Pixels:
    square = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - image.height) // 2, (size - image.width) // 2
    square[top : top + image.height, left : left + image.width] = np.asarray(image)
    return square


def _reason(name: str, error: Exception) -> str:
    """Say briefly what is wrong with the file; in Pillow's words where they help."""
    path = Path(name)
    if not path.exists():
        return "no such file"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow knows (expected JPEG, PNG, TIFF, BMP, DICOM, ...)"
    if "truncated" in str(error).lower():
        return "the file is truncated"  # without Pillow's count of bytes, so that such files share one reason
    return str(error) or type(error).__name__
