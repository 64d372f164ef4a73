"""What a user gives beside the films of one study: why they were taken, and the last study of the patient."""

from contextlib import suppress
from dataclasses import dataclass
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

    UserError where it is the name of a file that cannot be read.
    """
    text = given
    with suppress(OSError, ValueError):  # too long for a name, or not one
        if (path := Path(given)).is_file():
            text = decoded(path.read_bytes())
    if text == given and len(given.split()) == 1 and Path(given).suffix:
        raise UserError(f"--prior-report {given}: no such file, and no text of a report")
    return clean_text(cut_report(text).section(section)) or clean_text(text)
