"""The figure of each region's attention."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray


def draw_attention(image: NDArray[Any], maps: NDArray[Any], regions: Sequence[str], path: Path) -> None:
    """Draw an image, uint8 (H, H), with the attention map of each region, (R, G, G), beside it."""
    figure = Figure(figsize=(12, 6.6), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    axes[0].imshow(image, cmap="gray", vmin=0, vmax=255)
    axes[0].set_title("image")
    extent = (0, image.shape[1], image.shape[0], 0)
    for axis, region, attention in zip(axes[1:], regions, maps, strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent)
        axis.imshow(attention, cmap="inferno", alpha=0.45, extent=extent, interpolation="bilinear")
        axis.set_title(region)
    for axis in axes:
        axis.set_axis_off()
    figure.suptitle("Attention of each region (the patient's right is on the left)")
    figure.savefig(path, dpi=110)
