"""Published scores on MIMIC-CXR that the training guide compares with, and what they were computed on.

Scores are comparable only for the same data, split, section, tokens and cut of the references; these differ.
"""

from dataclasses import dataclass

from xr2text_core.run.screen import UNLIMITED, folded


@dataclass(frozen=True)
class Published:
    """BLEU-4 and ROUGE-L (0..1) as the guide gives them, and how they were computed."""

    name: str
    bleu_4: float
    rouge_l: float
    section: str
    protocol: str
    remark: str


GUIDE_ROWS = (
    Published(
        "ORGAN (2023)", 0.128, 0.293, "findings", "R2Gen cleaning, pycocoevalcap, references cut to 64 tokens",
        "the guide's numbers; the paper's BLEU-4 is cited as 0.123",
    ),
    Published(
        "ChestBioX-Gen (2024)", 0.142, 0.312, "not known", "not known",
        "the guide's numbers; the paper's abstract claims 0.4806 / 0.7742, far outside what others report",
    ),
    Published(
        "target of the guide", 0.16, 0.33, "not stated", "not stated", "at least; a goal, not a measurement",
    ),
)  # fmt: skip
REMARK = (
    "Protocols differ: the same reports can score BLEU-4 0.10 or 0.23 depending on tokens, section and cut references, "
    "and one constant report reaches about 0.116 / 0.286 here.\nNearest to the papers of this field: --protocol "
    "r2gen-mimic, findings section, the official test split. A difference to these rows proves nothing by itself."
)


def published_table(width: int = UNLIMITED) -> str:
    """The rows of the guide as text, with a remark."""
    lines = [f"{'published, MIMIC-CXR test':<26} {'BLEU-4':>8} {'ROUGE-L':>8}  section; protocol; remark"]
    for row in GUIDE_ROWS:
        about = f"{row.section}; {row.protocol}; {row.remark}"
        lines.append(f"{row.name:<26} {row.bleu_4:>8.3f} {row.rouge_l:>8.3f}  {about}")
    return folded("\n".join([*lines, REMARK]), width)
