"""Tests that need a CUDA device: `nox -s gpu`. Without one they are skipped, and say so."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def cuda() -> Iterator[None]:
    """A card that nothing of a test before holds, and an accelerate that forgot which device it was told to use."""
    import torch
    from accelerate.state import AcceleratorState

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device, or hidden (`nox -s gpu` shows it): this check of the GPU was not made")
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def cuda_batches(phantoms, cuda):
    """The BatchMaker of the shared phantoms, on the card."""
    import torch

    from xr2text_core.data.batches import BatchMaker

    studies, cache, _ = phantoms
    return BatchMaker(studies, cache, torch.device("cuda"), seed=0)
