"""A radiology report as two texts, and the part of it that a model is trained on."""

from dataclasses import dataclass

SECTIONS = ("findings", "impression", "both")


@dataclass(frozen=True)
class Report:
    """The two sections of a report; an absent section is an empty string."""

    findings: str
    impression: str = ""

    def section(self, name: str) -> str:
        """Return the text of "findings", "impression" or "both" (findings first, one space between)."""
        if name == "both":
            return f"{self.findings} {self.impression}".strip()
        return {"findings": self.findings, "impression": self.impression}[name].strip()
