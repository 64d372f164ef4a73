"""Scores a checkpoint on a split, beside what needs no model at all.

python -m xr2text_core.evaluate [--checkpoint checkpoints/best_model.pt] [--split test]
"""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from xr2text_core.metrics.protocols import PROTOCOLS, describe

if TYPE_CHECKING:
    from xr2text_core.data.batches import BatchMaker
    from xr2text_core.metrics.scores import Scores
    from xr2text_core.model.xr2text import XR2TextModel
    from xr2text_core.report.tokenizer import ReportTokenizer

EVALUATION_BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """loss is the token cross-entropy in nats; one candidate per reference, in the same order."""

    loss: float
    candidates: list[str]
    references: list[str]
    scores: "Scores"


def evaluate(
    model: "XR2TextModel",
    tokenizer: "ReportTokenizer",
    batches: "BatchMaker",
    max_tokens: int,
    protocol: str,
    num_beams: int = 1,
    progress: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Evaluation | None:
    """Loss, generated reports and scores over all studies of `batches`; None when `stop` said so.

    The model keeps its mode, training or not.
    """
    import torch

    from xr2text_core.metrics.scores import score_reports
    from xr2text_core.model.generation import write_reports

    studies = batches.studies
    by_length = sorted(range(len(studies)), key=lambda index: len(studies.tokens[index]))
    loss_sum, num_tokens = 0.0, 0
    candidates = [""] * len(studies)
    was_training = model.training
    model.train(False)
    starts = range(0, len(studies), EVALUATION_BATCH)
    for start in tqdm(starts, "Generating reports", unit="batch", disable=None if progress else True, leave=False):
        if stop():
            return None
        indices = by_length[start : start + EVALUATION_BATCH]
        batch = batches.plain(indices)
        with torch.inference_mode():
            seen = model.get_encoder()(batch.images)
            output = model(encoder_outputs=seen, labels=batch.tokens)
        loss_sum += float(output.token_loss_sum)
        num_tokens += batch.num_tokens
        reports = write_reports(model, tokenizer, seen, max_tokens, num_beams)
        for index, report in zip(indices, reports, strict=True):
            candidates[index] = report
    model.train(was_training)
    scores = score_reports(candidates, studies.references, protocol)
    return Evaluation(loss_sum / max(1, num_tokens), candidates, studies.references, scores)


@dataclass(frozen=True)
class Row:
    """One line of the table: who wrote the reports, and how they score."""

    name: str
    scores: "Scores"


def trivial_rows(
    candidates: Sequence[str], references: Sequence[str], train: Sequence[str], protocol: str
) -> list[Row]:
    """What a table must carry to be believed: reports written without looking, and the model's own given to others."""
    from xr2text_core.metrics import baselines
    from xr2text_core.metrics.scores import score_reports

    constant = baselines.best_constant(train, references, protocol)
    most_frequent = baselines.most_frequent(train)
    written: dict[str, Sequence[str]] = {
        "images shuffled among studies": baselines.shuffled(candidates, seed=0),
        "best constant report": [constant] * len(references),
        "most frequent report": [most_frequent] * len(references),
        "random training report": baselines.random_reports(train, len(references), seed=0),
    }
    return [Row(name, score_reports(reports, references, protocol)) for name, reports in written.items()]


def ceiling_row(images: Sequence[str], section: str, references: Sequence[str], protocol: str) -> Row:
    """What the phantom's own writer says about the same scenes in its commonest wording: nobody can do much better."""
    from xr2text_core.data.phantom import commonest_report, named_scene
    from xr2text_core.metrics.scores import score_reports

    candidates = [commonest_report(named_scene(name)).section(section) for name in images]
    return Row("ceiling (the phantom's own writer)", score_reports(candidates, references, protocol))


COLUMNS = (
    ("BLEU-1", "bleu_1", ".4f"),
    ("BLEU-4", "bleu_4", ".4f"),
    ("ROUGE-L", "rouge_l", ".4f"),
    ("CIDEr", "cider", ".3f"),
    ("rule-label F1", "clinical_f1", ".3f"),
    ("distinct", "distinct_reports", "d"),
    ("length ratio", "length_ratio", ".2f"),
)


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text."""
    width = max(len(row.name) for row in rows)
    lines = [" ".join([" " * width, *(f"{title:>13}" for title, _, _ in COLUMNS)])]
    for row in rows:
        cells = [f"{getattr(row.scores, name):>13{form}}" for _, name, form in COLUMNS]
        lines.append(" ".join([f"{row.name:<{width}}", *cells]))
    return "\n".join(lines)


def write_table(path: Path, rows: Sequence[Row], about: dict[str, str]) -> None:
    """One CSV row per table row; protocol, section, split and decoding stand in each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["row", *asdict(rows[0].scores), *about])
        writer.writeheader()
        writer.writerows({"row": row.name, **asdict(row.scores), **about} for row in rows)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m xr2text_core.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/best_model.pt"), help="file to score")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--root", default="", help="folder of the data set, where it has moved since the training")
    parser.add_argument(
        "--protocol", choices=[each.name for each in PROTOCOLS], default="clean-full", help="how text is compared"
    )
    parser.add_argument("--beams", type=int, default=4, help="beam width; 1 is greedy (default: %(default)s)")
    parser.add_argument("--num-studies", type=int, default=0, help="score only the first N studies")
    parser.add_argument("--out", type=Path, default=Path("data/statistics"), help="folder of the CSV files")
    parser.add_argument(
        "--save-reports", action="store_true", help="also write candidates and references (report text!)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    from xr2text_core.data.study import DatasetError
    from xr2text_core.run.checkpoint import CheckpointError
    from xr2text_core.training.trained import TrainedModel

    try:
        trained = TrainedModel.load(options.checkpoint)
        dataset = trained.dataset(options.root)
        batches = trained.batches(dataset.split(options.split)[: options.num_studies or None])
    except (CheckpointError, DatasetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    section = trained.settings.section
    train = [study.report.section(section) for study in dataset.split("train")]
    result = evaluate(
        trained.model, trained.tokenizer, batches, trained.settings.max_tokens, options.protocol, options.beams, True
    )
    assert result is not None  # nobody asked it to stop
    rows = [Row(options.checkpoint.name, result.scores)]
    rows += trivial_rows(result.candidates, result.references, train, options.protocol)
    if trained.settings.data == "phantom":
        rows.append(ceiling_row(batches.studies.images, section, result.references, options.protocol))
    about = {
        "checkpoint": options.checkpoint.name,
        "data": trained.settings.data,
        "split": options.split,
        "section": trained.settings.section,
        "protocol": options.protocol,
        "beams": str(options.beams),
    }
    print(f"{trained.settings.data}, {options.split} split, {len(batches.studies)} studies, {section} section, "
          f"beam {options.beams}; {describe(options.protocol)}; loss {result.loss:.4f}")  # fmt: skip
    print(table(rows))
    path = options.out / f"scores_{options.checkpoint.stem}_{options.split}.csv"
    write_table(path, rows, about)
    print(f"written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
