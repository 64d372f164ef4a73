"""What a user gives beside the films of one study: why they were taken, and the last study of the patient."""

import re
from dataclasses import dataclass
from errno import ENAMETOOLONG
from pathlib import Path

import numpy as np
import torch

from xr2text_core.data.readers.texts import clean_text, decoded
from xr2text_core.data.texts import NO_TEXTS, Texts, padded
from xr2text_core.inference.trained import TrainedModel
from xr2text_core.report.sections import cut_report
from xr2text_core.report.statements import finding_statements
from xr2text_core.report.tokenizer import PRIOR_TOKENS, QUESTION_TOKENS
from xr2text_core.run.errors import UserError

MOST_BYTES = 2**20  # of a file that holds one report
_FILE_NAME = re.compile(  # how a name begins, or ends; and one word with a dot in it
    r"(?:[/~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]).*|.*\.(?:txt|text|md|rtf|docx?|pdf|csv|json|xml)|[^\s.]+\.\w+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Desk:
    """As the flags give it: `prior_report` is text or the name of a file; "" and None where nothing is given."""

    indication: str = ""
    prior_image: Path | None = None
    prior_report: str = ""
    prior_days: float | None = None

    def __bool__(self) -> bool:
        return self != Desk()

    def check(self, num_studies: int) -> None:
        """UserError where flags contradict each other."""
        if self and num_studies > 1:
            flags = "--indication and --prior-image are those of one study"
            raise UserError(f"{flags}: give one image, or --study and its films; found {num_studies} studies")
        given = {"--prior-report": self.prior_report != "", "--prior-days": self.prior_days is not None}
        if self.prior_image is None and (alone := [flag for flag, is_given in given.items() if is_given]):
            raise UserError(f"{alone[0]} belongs to the film of the last study: add --prior-image FILE")
        if self.prior_image is not None and not self.prior_image.is_file():
            what = "a folder; give one film" if self.prior_image.is_dir() else "no such file"
            raise UserError(f"--prior-image {self.prior_image}: {what}")

    def check_model(self, trained: TrainedModel, name: Path) -> None:
        """UserError where the model cannot read what is given."""
        if self.indication and not trained.model.config.indication:
            raise UserError(f"{name} reads no indication: leave --indication out")
        if self.prior_image is not None and not trained.model.config.prior:
            raise UserError(f"{name} reads no last study: leave --prior-image out")

    def texts(self, trained: TrainedModel) -> Texts:
        """As the model takes them, for one study; none where nothing is given."""
        if not self:
            return NO_TEXTS
        config, tokenizer, section = trained.model.config, trained.tokenizer, trained.settings.section
        question = report = days = findings = None
        if config.indication:
            question = padded(tokenizer.encode_if_any([clean_text(self.indication)], QUESTION_TOKENS))
        if config.prior:
            text = report_from(self.prior_report, section)
            report = padded(tokenizer.encode_if_any([text], PRIOR_TOKENS))
            days = torch.tensor([np.nan if self.prior_days is None else self.prior_days], dtype=torch.float32)
            findings = torch.tensor([finding_statements(text)])
        return Texts(question, report, days, findings)


def report_from(given: str, section: str) -> str:
    """The section of a report that is given as text or as a file; the whole where it has no such section.

    UserError where it is the name of a file that cannot be read, or that holds no report.
    """
    text = _file_text(given) if given else None
    if text is None and _FILE_NAME.fullmatch(given):
        raise UserError(f"--prior-report {given}: no such file, and no text of a report")
    text = given if text is None else text
    return clean_text(cut_report(text).section(section)) or clean_text(text)


def _file_text(given: str) -> str | None:
    """The text of the file of that name; None where it names none."""
    path = Path(given)
    try:
        if path.is_dir():
            raise UserError(f"--prior-report {given}: a folder; name the file of one report, or give its text")
        if not path.is_file():
            return None
        is_short = path.stat().st_size <= MOST_BYTES
        text = decoded(path.read_bytes()) if is_short else ""
    except ValueError:  # no name at all
        return None
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            return None
        raise UserError(f"--prior-report {given}: {error.strerror}") from error
    is_binary = "\0" in text or "\ufffd" in text
    if not is_short or is_binary or not text.strip():
        what = "longer than any report" if not is_short else "no text" if is_binary else "empty"
        raise UserError(f"--prior-report {given}: the file is {what}; name the file of one report, or give its text")
    return text
