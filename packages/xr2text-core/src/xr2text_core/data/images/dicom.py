"""Reads one DICOM file as grey pixels: stored values, modality rescale, window, white where the film is white.

Needs the extra `dicom`; lossless JPEG needs pylibjpeg-libjpeg too, which is under the GPL and so not in the extra. The
pictures of MIMIC-CXR-JPG were also histogram-equalised by their makers, these are not: a model trained on the one sees
another contrast in the other. Numbers in brackets are sections of the DICOM standard, part 3.
"""

import logging
import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGExtended12Bit

from xr2text_core.data.images.formats import INSTALL, ImageError

UNUSED = "gdcm"  # on one damaged file in 10 to 100 it ends the whole process (docs/decisions/0007-dicom-decoders.md)

Stored = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]

logger = logging.getLogger(__name__)


def read_dicom(name: str) -> Image.Image:
    """The first frame of a DICOM file in full size, mode L. Raises ImageError."""
    try:
        dataset = dcmread(name)
        plugin = _decoding_plugin(name, dataset)
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            logger.warning("%s has %s frames; the first is used", os.path.basename(name), dataset.NumberOfFrames)  # noqa: PTH119
        return _grey(pixel_array(dataset, index=0, decoding_plugin=plugin), dataset)
    except InvalidDicomError as error:
        raise ImageError(f"{name}: not a DICOM file (no DICM mark at byte 128)") from error
    except ImageError:
        raise
    except Exception as error:  # damaged bytes make pydicom and the decoders raise nearly anything
        raise ImageError(f"{name}: {_reason(name, error)}") from error


def _decoding_plugin(name: str, dataset: Dataset) -> str:
    """What decompresses the file, "" for an uncompressed one. ImageError where nothing here does, or without pixels."""
    if "PixelData" not in dataset:
        raise ImageError(f"{name}: the DICOM file holds no picture (no Pixel Data; was it cut short?)")
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        plugins = set(get_decoder(syntax).available_plugins) - {UNUSED}
    except NotImplementedError as error:  # pydicom's word for a syntax that it does not know
        raise ImageError(f"{name}: transfer syntax {syntax.name} ({syntax}) holds no still picture") from error
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
        plugins -= {"pillow"}  # knows JPEG of 8 bits only
    if syntax.is_encapsulated and not plugins:
        package = "openjpeg" if "JPEG 2000" in syntax.name else "libjpeg"
        raise ImageError(
            f"{name}: no decoder for transfer syntax {syntax.name} ({syntax}): {INSTALL} pylibjpeg pylibjpeg-{package}"
        )
    return max(plugins, default="")  # pylibjpeg before pydicom and pillow


def _grey(pixels: Stored, dataset: Dataset) -> Image.Image:
    """Stored values (H, W), or (H, W, 3) in colour, as a grey picture."""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)
    if pixels.ndim == 3:
        depth = 8 * (pixels.dtype.itemsize - 1)
        return Image.fromarray((pixels[..., :3] >> depth).astype(np.uint8)).convert("L")
    if pixels.dtype.itemsize > 2:
        raise ValueError(f"{8 * pixels.dtype.itemsize} bits per pixel; expected 8 to 16")
    is_padding = _is_padding(pixels, dataset)
    inside = pixels[~is_padding]
    low, high = int(inside.min()), int(inside.max())
    shades = _shades(np.arange(low, high + 1), dataset)  # as few as there are grey values, not as many as pixels
    shown = shades[np.clip(pixels, low, high).astype(np.int32) - low]
    shown[is_padding] = 0
    return Image.fromarray(shown)


def _is_padding(pixels: Stored, dataset: Dataset) -> npt.NDArray[np.bool_]:
    """The padding around the film [C.7.5.1.1.2]: always black. All False where every pixel is padding."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(pixels.shape, dtype=bool)
    low, high = sorted((value, dataset.get("PixelPaddingRangeLimit", value)))
    is_padding: npt.NDArray[np.bool_] = (pixels >= low) & (pixels <= high)
    return is_padding & (not is_padding.all())


def _shades(stored: Stored, dataset: Dataset) -> npt.NDArray[np.uint8]:
    """The grey, 0 black to 255 white, of each stored value."""
    values = _rescaled(stored, dataset)
    brightness = _windowed(values, dataset)
    if brightness is None or np.ptp(brightness) == 0:  # no window, or one that shows nothing of this picture
        brightness = (values - values.min()) / max(float(np.ptp(values)), 1e-6)
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # the lowest value is white
        brightness = 1 - brightness
    return np.rint(255 * brightness).astype(np.uint8)


def _rescaled(stored: Stored, dataset: Dataset) -> Floats:
    """What the stored values mean [C.11.1].

    Here and below pydicom's apply_modality_lut and apply_voi_lut are not used: they wrap values beyond an 8-bit table,
    and raise at elements that are empty or unsound, where a picture can still be shown.
    """
    if tables := dataset.get("ModalityLUTSequence"):
        return _looked_up(stored, tables[0], dataset)
    slope, intercept = dataset.get("RescaleSlope") or 1, dataset.get("RescaleIntercept") or 0
    return stored.astype(np.float64) * float(slope) + float(intercept)


def _windowed(values: Floats, dataset: Dataset) -> Floats | None:
    """Brightness, 0..1, by the first table or window of the file [C.11.2]; None where there is none that is sound."""
    if tables := dataset.get("VOILUTSequence"):
        brightest = float(2 ** tables[0].LUTDescriptor[2] - 1)
        return (_looked_up(values, tables[0], dataset) / brightest).clip(0, 1)
    centre, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if function == "LINEAR":  # [C.11.2.1.2.1]: from the middle of the first grey value to the middle of the last
        centre, width = centre - 0.5, width - 1
    if not (math.isfinite(centre) and width > 0):
        return None
    place = (values - centre) / width  # -0.5..0.5 inside the window
    brightness: Floats = 1 / (1 + np.exp(-4 * place)) if function == "SIGMOID" else (place + 0.5).clip(0, 1)
    return brightness


def _looked_up(values: npt.NDArray[Any], table: Dataset, dataset: Dataset) -> Floats:
    """What a lookup table makes of the values; those outside it get its first or last entry."""
    num_entries, first, _ = table.LUTDescriptor
    entries = table.LUTData
    if isinstance(entries, bytes):
        entries = np.frombuffer(entries, dtype="<u2" if dataset.original_encoding[1] else ">u2")
    entries = np.asarray(entries, dtype=np.float64)[: num_entries or 2**16]
    return np.asarray(entries[np.clip(np.rint(values - first), 0, len(entries) - 1).astype(np.intp)])


def _first(dataset: Dataset, name: str) -> float:
    """The first of the values of an element; NaN where it has none."""
    element = dataset.get(name)
    if element is None:
        return math.nan
    values = np.atleast_1d(np.asarray(element, dtype=np.float64))
    return float(values[0]) if len(values) else math.nan


def _reason(name: str, error: Exception) -> str:
    """What went wrong, in the words of pydicom; it adds a line for each decoder that it tried."""
    if not os.path.exists(name):  # noqa: PTH110 - names are strings here
        return "no such file"
    lines = str(error).splitlines()
    return f"the DICOM file is damaged ({' '.join(lines[:2])})" if lines else type(error).__name__
