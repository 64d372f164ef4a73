"""XR2Text: trains, evaluates and runs a model that writes radiology reports from chest X-rays."""

__version__ = "0.1.0"
