"""Pictures of each region's attention: over the film, one by one or in one figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

OPACITY = 0.45  # of the map's colours over the film


def overlays(image: NDArray[Any], maps: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """An image, uint8 (H, H), under the attention map of each region, (R, G, G): R times uint8 (H, H, 3).

    The colours span each map's own lowest to highest value.
    """
    grey = np.repeat(image[..., None], 3, axis=-1)
    return [np.rint((1 - OPACITY) * grey + OPACITY * _colours(each, len(image))).astype(np.uint8) for each in maps]


def _colours(attention: NDArray[Any], side: int) -> NDArray[np.floating]:
    """A map, (G, G), enlarged and coloured: 0..255 (H, H, 3)."""
    smooth = Image.fromarray(attention.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    values = np.asarray(smooth)
    scaled = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
    return np.asarray(mpl.colormaps["inferno"](scaled)[..., :3] * 255)


def draw_attention(image: NDArray[Any], maps: NDArray[Any], regions: Sequence[str], path: Path) -> None:
    """Draw an image, uint8 (H, H), with the attention map of each region, (R, G, G), beside it."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    pictures = [image, *overlays(image, maps)]
    for axis, title, picture in zip(figure.subplots(2, 4).ravel(), ["image", *regions], pictures, strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axis.set_title(title)
        axis.set_axis_off()
    figure.suptitle("Attention of each region (the patient's right is on the left)")
    figure.savefig(path, dpi=110)
