"""XR2Text: trains, evaluates and runs a model that writes radiology reports from chest X-rays.

    from xr2text_core import Settings, Trainer, load_model

These three are public (docs/library.md); everything else may change between versions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xr2text_core.inference.trained import load_model
    from xr2text_core.settings.settings import Settings
    from xr2text_core.training.trainer import Trainer

__version__ = "0.1.0"
__all__ = ["Settings", "Trainer", "load_model"]
_HOMES = {"Settings": "settings.settings", "Trainer": "training.trainer", "load_model": "inference.trained"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: importing the package stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
