"""Which files are images, and the error for unreadable ones."""

import numpy as np
import numpy.typing as npt

from xr2text_core.run.errors import UserError

DICOM_SUFFIXES = (".dcm", ".dicom")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", *DICOM_SUFFIXES)
INSTALL = "pip install"  # in the message of an ImageError it marks a missing package: caches try such a file again

Pixels = npt.NDArray[np.uint8]


class ImageError(UserError):
    """An image cannot be read: missing, empty, truncated or in no known format. The message names the path."""
