"""The columns that the monitor draws are those that docs/run-files.md says a trainer writes."""

from pathlib import Path

from xr2text_monitor.panels.charts import FINDINGS, LOSSES, SCORES

RUN_FILES = Path(__file__).parents[3] / "docs" / "run-files.md"


def test_every_column_of_a_chart_is_one_that_a_trainer_writes() -> None:
    table = RUN_FILES.read_text(encoding="utf-8").split("## training_history.csv\n", 1)[1].split("\n## ", 1)[0]
    for kind in (LOSSES, SCORES, FINDINGS):
        for column, _ in kind.columns:
            family = column.rsplit("_", 1)[0]  # `bleu_1 ... bleu_4` is one row of the table
            assert (
                f"| {column} |" in table or f"{column}," in table or f" {column} " in table or f"| {family}_1 " in table
            )
