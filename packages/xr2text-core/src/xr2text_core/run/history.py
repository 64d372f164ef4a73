"""training_history.csv: one row an epoch, appended durably; a resume cuts rows newer than the weights it loads."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from xr2text_core.run.atomic import append_line, replace_text


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


def append_row(path: Path, row: EpochRow) -> None:
    """Append one epoch; writes the header first where the file is new."""
    if not path.exists() or path.stat().st_size == 0:
        replace_text(path, _line(HEADER) + "\n")
    append_line(path, _line([_cell(value) for value in asdict(row).values()]))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The whole rows of a history as text cells; half a line at the end, or a line of another width, is not a row."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    lines = list(csv.reader(io.StringIO(whole)))
    if not lines:
        return []
    header = lines[0]
    return [dict(zip(header, line, strict=True)) for line in lines[1:] if len(line) == len(header)]


def cut_after(path: Path, epoch: int) -> int:
    """Keep the rows up to and including `epoch` (the newest of each), drop half lines; return how many rows went."""
    rows = read_rows(path)
    kept = {int(row["epoch"]): row for row in rows if row.get("epoch", "").isdigit() and int(row["epoch"]) <= epoch}
    lines = [_line(HEADER), *(_line([row.get(name, "") for name in HEADER]) for _, row in sorted(kept.items()))]
    text = "".join(f"{line}\n" for line in lines)
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
        replace_text(path, text)
    return len(rows) - len(kept)


def write_best(path: Path, row: EpochRow) -> None:
    """Replace best_results.csv by one row."""
    replace_text(path, f"{_line(HEADER)}\n{_line([_cell(value) for value in asdict(row).values()])}\n")


def _cell(value: float | int | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()
