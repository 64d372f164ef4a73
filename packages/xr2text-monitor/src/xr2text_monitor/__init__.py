"""A terminal monitor for XR2Text runs: reads their files, polls NVML, never touches the trainer."""

__version__ = "0.1.0"
