"""Checkpoints: one file that holds all a resume needs, replaced in one step and closed by a checksum.

The file is what `torch.save` writes, followed by a mark and the SHA-256 of everything before it. `torch.load` ignores
the tail; we do not, because neither it nor safetensors notices a flipped bit in tensor data.
"""

import hashlib
import io
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch
from torch import Tensor

from xr2text_core.run.atomic import replacing
from xr2text_core.run.errors import UserError

FORMAT = 1
MARK = b"XR2TEXT1"
PIECE = 1 << 24  # bytes read at once
TAIL = len(MARK) + hashlib.sha256().digest_size


@dataclass(frozen=True)
class Checkpoint:
    """All that a resume needs: tensors, dicts, lists, numbers and strings only."""

    settings: dict[str, Any]
    fingerprint: str  # of the studies
    config: str  # of the model, as JSON
    tokenizer: str  # as JSON
    progress: dict[str, Any]
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)  # of FP16; empty without
    version: str = ""  # of this package
    saved_at: str = ""
    labeler: int = 1  # version of the labels that it was trained with
    bank: str = ""  # training reports to compose from, as JSON; empty in models of version 0.1

    @property
    def position(self) -> tuple[int, int]:
        """Progress: the current epoch and the steps done in it."""
        return self.progress.get("epoch", 0), self.progress.get("step_in_epoch", 0)


KINDS = {  # what a checkpoint file must contain
    "settings": dict, "fingerprint": str, "config": str, "tokenizer": str, "progress": dict, "model": dict,
    "optimizer": dict,
}  # fmt: skip


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or of another format; the message names the file and what to do."""


class _HashingFile(io.RawIOBase):
    """Forwards and hashes writes, so that saving reads nothing back."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return self.file.write(data)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint to `path`; raises OSError on a full disk. The old file stays until all of the new one is on
    disk."""
    write_contents(path, {"format": FORMAT, **vars(checkpoint)})


def write_contents(path: Path, contents: dict[str, Any]) -> None:
    """Write what `torch.save` makes of `contents`, and its checksum."""
    try:
        with replacing(path) as file:
            hashing = _HashingFile(file)
            torch.save(contents, cast(IO[bytes], hashing))
            file.write(MARK + hashing.hash.digest())
    except RuntimeError as error:  # torch reports a failed write as an unexpected file position
        if isinstance(reason := error.__context__, OSError):
            raise OSError(reason.errno, reason.strerror, str(path)) from error
        raise


def copy_checkpoint(source: Path, path: Path) -> None:
    """Copy a checkpoint just saved to `path`, at half the cost of saving it again; raises OSError."""
    with source.open("rb") as file, replacing(path) as copy:
        shutil.copyfileobj(file, copy, PIECE)


def load_checkpoint(path: Path) -> Checkpoint:
    """Verify a checkpoint and load it onto the CPU. Never runs code from the file."""
    check(path)
    try:
        contents: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({type(error).__name__})") from error
    found = contents.get("format") if isinstance(contents, dict) else None
    if found != FORMAT:
        raise CheckpointError(f"{path}: format {found}, but this version reads format {FORMAT}")
    if wrong := [name for name, kind in KINDS.items() if not isinstance(contents.get(name), kind)]:
        raise CheckpointError(f"{path}: is not a training checkpoint ({', '.join(wrong)} missing or of the wrong type)")
    known = {each.name for each in fields(Checkpoint)}
    return Checkpoint(**{name: value for name, value in contents.items() if name in known})


def load_progress(path: Path) -> dict[str, Any]:
    """The position that a checkpoint holds, without reading its tensors; CheckpointError where there is none."""
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return dict(contents["progress"])
    except OSError:
        raise
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({type(error).__name__})") from error


def newest_good(first: Path, others: list[Path]) -> tuple[Path, Checkpoint, list[str]] | None:
    """The path of the checkpoint to resume from, the checkpoint and a line per damaged file; None without any file.

    `first` (the latest) is used if it is intact. Otherwise the one of `others` that is furthest in training, by its
    contents, never by its name or date.
    """
    damaged: list[str] = []
    furthest: tuple[Path, Checkpoint] | None = None
    for path in [first, *sorted(others)]:
        if not path.exists():
            continue
        try:
            found = load_checkpoint(path)
        except (CheckpointError, OSError) as error:
            damaged.append(str(error))
            continue
        if furthest is None or (found.position, path) > (furthest[1].position, furthest[0]):
            furthest = path, found
        if path == first:
            break
    if furthest:
        return *furthest, damaged
    if damaged:
        raise CheckpointError("no checkpoint of this run can be read:\n  " + "\n  ".join(damaged))
    return None


def check(path: Path) -> None:
    """Compare the checksum at the end of a file with its contents, reading it in pieces; CheckpointError if damaged."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = size - TAIL
        while left > 0 and (piece := file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
        tail = file.read()
    if size <= TAIL or tail[: len(MARK)] != MARK:
        raise CheckpointError(f"{path}: is cut short or is not a checkpoint of xr2text (its end mark is missing)")
    if digest.digest() != tail[len(MARK) :]:
        raise CheckpointError(f"{path}: is damaged (its checksum does not match)")
