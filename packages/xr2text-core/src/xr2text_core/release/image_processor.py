"""The image processor of an exported model: images to exactly the input that the model was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from xr2text_core.data.augment import to_float
from xr2text_core.data.images.decode import read_image, square_pixels
from xr2text_core.data.images.formats import Pixels

AnyImage = str | Path | Image.Image | NDArray[Any] | torch.Tensor


class XR2TextImageProcessor(BaseImageProcessor):
    """Paths, PIL images or arrays -> `pixel_values` (B, 1, H, H), 0 black to 1 white, H = `image_size` in pixels.

    A path, or a PIL image opened from one and not decoded yet, gives the pixels of training bit for bit. A
    large JPEG that is already decoded differs, because training decodes it at a smaller scale: by less than one
    grey level of 255 on average, by dozens of levels at the edges of printed letters.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012 (transformers' own form)

    def __init__(self, image_size: int = 384, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_size = image_size

    def preprocess(self, images: AnyImage | Sequence[AnyImage], return_tensors: str = "pt", **_: Any) -> BatchFeature:
        """Raises ImageError where a file cannot be read, and ValueError for an array of another shape."""
        several = images if isinstance(images, Sequence) and not isinstance(images, str) else [images]
        pixels = np.stack([self._pixels(image) for image in several])
        tensors = to_float(torch.from_numpy(pixels))
        return BatchFeature({"pixel_values": tensors}, tensor_type=return_tensors)

    def _pixels(self, image: AnyImage) -> Pixels:
        if isinstance(image, str | Path):
            return read_image(str(image), self.image_size)
        if isinstance(image, ImageFile.ImageFile) and image.filename and image.tile:
            return read_image(str(image.filename), self.image_size)
        opened = image if isinstance(image, Image.Image) else _from_array(np.asarray(image))
        return square_pixels(opened.copy(), self.image_size)  # a copy, so that the caller's image is unchanged


def _from_array(values: NDArray[Any]) -> Image.Image:
    """More than 8 bits, and fractions, are scaled by the largest value present, as in a file."""
    is_colour = values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8
    if values.ndim != 2 and not is_colour:
        raise ValueError(
            f"an array of shape {values.shape} and type {values.dtype}; expected (height, width) of any type, "
            "or (height, width, 3) of uint8"
        )
    if values.dtype == np.uint8:
        return Image.fromarray(values)
    return Image.fromarray(values.astype(np.float32 if values.dtype.kind == "f" else np.int32))
