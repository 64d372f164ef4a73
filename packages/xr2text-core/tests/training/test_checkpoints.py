"""What is saved is one moment of the run, although the run goes on while it is written."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from xr2text_core.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from xr2text_core.training import checkpoints as module
from xr2text_core.training.checkpoints import ALIGNMENT, CheckpointWriter, PinnedMemory
from xr2text_core.training.optimizer import allocate_state


def checkpoint(model: torch.nn.Module, step: int = 1) -> Checkpoint:
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    allocate_state(optimizer)
    return Checkpoint(
        settings={},
        fingerprint="",
        config="{}",
        tokenizer="",
        progress={"step": step, "rows": [{"epoch": "1"}]},
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
        scaler={"scale": 65536.0, "growth": (1, 2)},
    )


def assert_equal(found: Any, expected: Any) -> None:
    assert type(found) is type(expected) or (isinstance(found, dict) and isinstance(expected, dict))
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected) and found.dtype == expected.dtype
        assert found.stride() == expected.stride()
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            assert_equal(ours, theirs)
    else:
        assert found == expected


def test_what_is_written_beside_the_loop_is_what_a_plain_save_writes(
    tiny_model: torch.nn.Module, tmp_path: Path
) -> None:
    what = checkpoint(tiny_model)
    save_checkpoint(tmp_path / "plain.pt", what)
    writer = CheckpointWriter()
    writer.save(what, [tmp_path / "beside.pt"])
    (written,) = writer.wait()
    assert (written.path, written.error) == (tmp_path / "beside.pt", None)
    found = load_checkpoint(tmp_path / "beside.pt")
    assert_equal(vars(found), vars(load_checkpoint(tmp_path / "plain.pt")))
    tied = found.model["lm_head.weight"], found.model["decoder.embed_tokens.weight"]
    assert tied[0].data_ptr() == tied[1].data_ptr()  # and take their place on disk once


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Nothing reaches the disk before this is set."""
    may_write = threading.Event()

    def save_later(path: Path, what: Checkpoint) -> None:
        assert may_write.wait(60)
        save_checkpoint(path, what)

    monkeypatch.setattr(module, "save_checkpoint", save_later)
    return may_write


def test_weights_that_move_while_they_are_written_are_saved_as_they_were(
    tiny_model: torch.nn.Module, tmp_path: Path, held: threading.Event
) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_model.state_dict().items()}
    writer = CheckpointWriter()
    writer.save(checkpoint(tiny_model), [tmp_path / "best_model.pt", tmp_path / "latest.pt"])
    with torch.no_grad():
        for parameter in tiny_model.parameters():
            parameter.add_(1)
    assert writer.written() == []
    held.set()
    assert [each.path.name for each in writer.wait()] == ["best_model.pt", "latest.pt"]
    for name in ("best_model.pt", "latest.pt"):
        assert_equal(load_checkpoint(tmp_path / name).model, before)


def test_a_second_save_waits_and_says_what_became_of_the_first(tiny_model: torch.nn.Module, tmp_path: Path) -> None:
    writer = CheckpointWriter()
    assert writer.save(checkpoint(tiny_model, step=1), [tmp_path / "latest.pt"]) == []
    (first,) = writer.save(checkpoint(tiny_model, step=2), [tmp_path / "latest.pt"])
    assert first.checkpoint.progress["step"] == 1
    writer.wait()
    assert load_checkpoint(tmp_path / "latest.pt").progress["step"] == 2


def test_a_file_that_cannot_be_written_is_reported_and_the_others_are_written(
    tiny_model: torch.nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "latest.pt.tmp").mkdir()
    writer = CheckpointWriter()
    writer.save(checkpoint(tiny_model), [tmp_path / "latest.pt", tmp_path / "best_model.pt"])
    failed, written = writer.wait()
    assert isinstance(failed.error, OSError) and written.error is None
    assert load_checkpoint(tmp_path / "best_model.pt").progress["step"] == 1


def test_further_files_of_a_save_are_copies_of_the_first(
    tiny_model: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serialised = []
    monkeypatch.setattr(module, "save_checkpoint", lambda *what: (serialised.append(what[0]), save_checkpoint(*what)))
    paths = [tmp_path / name for name in ("best_model.pt", "checkpoint_epoch_5.pt", "latest.pt")]
    writer = CheckpointWriter()
    writer.save(checkpoint(tiny_model), paths)
    assert [each.error for each in writer.wait()] == [None, None, None]
    assert serialised == paths[:1]
    assert len({path.read_bytes() for path in paths}) == 1
    load_checkpoint(paths[-1])


def test_how_long_a_save_took_counts_until_its_last_file_is_on_disk(
    tiny_model: torch.nn.Module, tmp_path: Path, held: threading.Event
) -> None:
    writer = CheckpointWriter()
    writer.save(checkpoint(tiny_model), [tmp_path / "best_model.pt", tmp_path / "latest.pt"])
    assert writer.lasted_s == 0.0
    held.set()
    writer.wait()
    assert writer.lasted_s > 0


def test_memory_once_made_ready_serves_every_save(tiny_model: torch.nn.Module, tmp_path: Path) -> None:
    writer = CheckpointWriter()
    writer.reserve(checkpoint(tiny_model))
    places = {key: buffer.data_ptr() for key, buffer in writer._buffers.items()}
    for step in (1, 2):
        writer.save(checkpoint(tiny_model, step), [tmp_path / "latest.pt"])
    writer.wait()
    assert {key: buffer.data_ptr() for key, buffer in writer._buffers.items()} == places


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the blocks that were pinned, on a computer that cannot pin: 16 KiB each, and at most two."""
    empty, sizes = torch.empty, []

    def allocate(size: int, dtype: torch.dtype, pin_memory: bool = False) -> torch.Tensor:
        if pin_memory:
            if len(sizes) == 2:
                raise RuntimeError("CUDA error: out of memory")
            sizes.append(size)
        return empty(size, dtype=dtype)

    monkeypatch.setattr(module, "BLOCK", 2**14)
    monkeypatch.setattr(torch, "empty", allocate)
    return sizes


TENSORS = {
    "fp32": torch.arange(24.0).view(2, 3, 4),
    "a convolution's": torch.arange(48.0).view(2, 2, 3, 4).to(memory_format=torch.channels_last),
    "bf16": torch.arange(7, dtype=torch.bfloat16),
    "int64": torch.arange(5) - 2**40,
    "bool": torch.tensor([True, False, True]),
    "a number": torch.tensor(3.5),
    "nothing": torch.zeros(0, 3),
    "a view with gaps": torch.arange(12.0).view(3, 4)[:, ::2],
}


@pytest.mark.parametrize("name", TENSORS)
def test_pinned_memory_keeps_shape_type_and_strides(name: str, pinned: list[int]) -> None:
    tensor, memory = TENSORS[name], PinnedMemory()
    memory.like(torch.zeros(1))  # so that it does not begin where its block begins
    copy = memory.like(tensor).copy_(tensor)
    assert torch.equal(copy, tensor) and copy.dtype == tensor.dtype
    assert copy.stride() == torch.empty_like(tensor).stride()
    assert copy.untyped_storage().nbytes() == tensor.nbytes  # what a checkpoint holds of it
    assert copy.data_ptr() % ALIGNMENT == 0


def test_neighbours_in_pinned_memory_do_not_overlap(pinned: list[int]) -> None:
    memory = PinnedMemory()
    copies = [memory.like(tensor).copy_(tensor) for tensor in TENSORS.values()]
    assert len(pinned) == 1
    assert all(torch.equal(copy, tensor) for copy, tensor in zip(copies, TENSORS.values(), strict=True))


def test_a_checkpoint_in_pinned_memory_makes_no_larger_file_and_ties_what_was_tied(
    tiny_model: torch.nn.Module, tmp_path: Path, pinned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    what = checkpoint(tiny_model)
    save_checkpoint(tmp_path / "plain.pt", what)
    writer, empty_like = CheckpointWriter(), torch.empty_like

    def as_on_a_gpu(tensor: torch.Tensor, **where: str) -> torch.Tensor:
        return empty_like(tensor, device=where["device"]) if where else writer._pinned.like(tensor)

    monkeypatch.setattr(torch, "empty_like", as_on_a_gpu)
    writer.reserve(what)
    assert sum(pinned) > 0
    monkeypatch.undo()
    writer.save(what, [tmp_path / "pinned.pt"])
    writer.wait()
    sizes = [(tmp_path / name).stat().st_size for name in ("plain.pt", "pinned.pt")]
    assert sizes[1] <= sizes[0]
    found = load_checkpoint(tmp_path / "pinned.pt")
    assert_equal(vars(found), vars(load_checkpoint(tmp_path / "plain.pt")))
    assert found.model["lm_head.weight"].data_ptr() == found.model["decoder.embed_tokens.weight"].data_ptr()


def test_a_system_that_pins_no_more_gives_ordinary_memory_and_is_logged_once(
    pinned: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    memory = PinnedMemory()
    with caplog.at_level(logging.WARNING):
        copies = [memory.like(torch.zeros(3000)).fill_(number) for number in range(5)]  # one fills most of a block
    assert pinned == [2**14, 2**14]
    assert [copy.unique().tolist() for copy in copies] == [[0], [1], [2], [3], [4]]
    (line,) = caplog.messages
    assert "pins no more memory" in line
