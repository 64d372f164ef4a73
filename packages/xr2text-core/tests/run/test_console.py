"""What a run says reaches terminal and file, and neither can end it."""

import logging
import shutil
from pathlib import Path

import pytest

from xr2text_core.run.console import set_up_console

LOG = logging.getLogger("xr2text_core.train")


def test_a_deleted_log_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    set_up_console(path)
    LOG.info("first")
    path.unlink()
    LOG.info("second")
    assert path.read_text().endswith("INFO second\n")


def test_a_log_that_cannot_be_written_is_said_once_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "statistics"
    folder.mkdir()
    set_up_console(folder / "train.log")
    shutil.rmtree(folder)
    LOG.info("first")
    LOG.info("second")
    said = "".join(capsys.readouterr())
    assert "[INFO] first" in said and "[INFO] second" in said
    assert said.count("train.log cannot be written") == 1 and "Traceback" not in said
