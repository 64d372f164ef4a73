"""training_history.csv: one row per epoch, appended durably. Checkpoints keep the rows too and repair the file."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from xr2text_core.run.atomic import append_line, replace_text

Cells = dict[str, str]  # column name -> text


@dataclass(frozen=True)
class EpochRow:
    """One row of the history; the order of the fields is the header. None becomes an empty cell: not measured."""

    epoch: int
    stage: str
    step: int
    train_loss: float | None
    val_loss: float | None
    bleu_1: float | None
    bleu_2: float | None
    bleu_3: float | None
    bleu_4: float | None
    rouge_l: float | None
    cider: float | None
    clinical_f1: float | None
    distinct_reports: int | None
    finding_auc: float | None
    finding_auc_se: float | None
    says_what_it_saw: float | None
    learning_rate: float
    grad_norm: float | None
    studies_per_s: float
    train_s: float
    validation_s: float
    epoch_s: float
    gpu_peak_mib: float | None
    gpu_max_c: float | None
    micro_batch: int
    accumulation: int
    skipped_steps: int
    oom_retries: int
    is_best: int
    finished_at: str


HEADER = tuple(field.name for field in fields(EpochRow))
TIME_COLUMNS = ("studies_per_s", "train_s", "validation_s", "epoch_s", "gpu_peak_mib", "gpu_max_c", "finished_at")


def cells_of(row: EpochRow) -> Cells:
    """A row as the text cells of the file, which checkpoints keep."""
    return {name: _cell(value) for name, value in asdict(row).items()}


def write_rows(path: Path, rows: Sequence[Cells]) -> None:
    """Write the header and exactly these rows; the last one is appended where only that is missing.

    Any other content (half a line, newer rows, another header, nothing) is replaced atomically.
    """
    lines = [_line(HEADER), *(_line([row.get(name, "") for name in HEADER]) for row in rows)]
    expected = "".join(f"{line}\n" for line in lines).encode()
    found = path.read_bytes() if path.exists() else b""
    if found and found + f"{lines[-1]}\n".encode() == expected:
        append_line(path, lines[-1])
    elif found != expected:
        replace_text(path, expected.decode())


def read_rows(path: Path) -> list[Cells]:
    """The complete rows of a history as text cells; half a line at the end, or one of another width, is not a row."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    lines = list(csv.reader(io.StringIO(whole)))
    if not lines:
        return []
    header = lines[0]
    return [dict(zip(header, line, strict=True)) for line in lines[1:] if len(line) == len(header)]


def rows_up_to(path: Path, epoch: int) -> list[Cells]:
    """The rows of a file up to and including `epoch`, the newest of each: for checkpoints that keep no rows."""
    rows = [row for row in read_rows(path) if row.get("epoch", "").isdigit()]
    return [row for number, row in sorted({int(row["epoch"]): row for row in rows}.items()) if number <= epoch]


def write_best(path: Path, rows: Sequence[Cells], epoch: int) -> None:
    """Write the row of the best epoch to best_results.csv; without one (epoch 0) the file is removed."""
    best = [row for row in rows if row.get("epoch") == str(epoch)]
    if best:
        write_rows(path, best)
    else:
        path.unlink(missing_ok=True)


def _cell(value: float | int | str | None) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # not measured, or undefined
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()
