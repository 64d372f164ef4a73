"""A long run ends with the memory and the file handles it began with."""

import gc
from pathlib import Path

import psutil
import pytest

from xr2text_core.run.history import EpochRow
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.trainer import Trainer

EPOCHS = 50
EARLY, LATE = slice(5, 15), slice(40, 50)  # the first epochs fill caches that stay
MOST_MIB = 24  # measured 6; a copy of the weights kept in every epoch would be 100, one of a checkpoint 350
MOST_HANDLES = 3  # a checkpoint may be on its way to disk at any moment; one kept in every epoch would be 35
SMALL = ("--num-studies", "8", "--val-studies", "2", "--image-size", "32", "--max-tokens", "24", "--batch", "8")


def num_handles(process: psutil.Process) -> int:
    """Open files, pipes and sockets."""
    return process.num_handles() if psutil.WINDOWS else process.num_fds()  # type: ignore[no-any-return]


@pytest.mark.slow
def test_memory_and_file_handles_do_not_grow_over_fifty_epochs(tmp_path: Path) -> None:
    flags = [*SMALL, "--epochs", str(EPOCHS), "--checkpoint-every", "10", "--device", "cpu", "--out", str(tmp_path)]
    run, process = Trainer(settings_of(parse_arguments(flags))), psutil.Process()
    handles: list[int] = []
    memory_mib: list[float] = []
    close_epoch = run._close_epoch

    def close_and_measure(row: EpochRow) -> None:
        close_epoch(row)
        handles.append(num_handles(process))
        memory_mib.append(process.memory_info().rss / 2**20)

    run._close_epoch = close_and_measure  # type: ignore[method-assign]
    gc.freeze()  # what was there before is not looked through again after every epoch
    try:
        assert run.fit() == 0
    finally:
        gc.unfreeze()
    assert min(handles[LATE]) - min(handles[EARLY]) <= MOST_HANDLES, handles
    assert min(memory_mib[LATE]) - min(memory_mib[EARLY]) < MOST_MIB, memory_mib
