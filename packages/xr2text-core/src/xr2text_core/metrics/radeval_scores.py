"""The field's own clinical metrics (CheXbert, RadGraph, ...) as the package radeval computes them, under its names.

radeval loads models of its own, so it runs in a process of its own, one for all metrics, and only when asked for: what
it imports, prints, downloads or breaks stays there. What it cannot compute is "not available: why", never a number of
ours. Metrics that would send reports to a service on the internet are not offered.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PACKAGE = "radeval"
ALIASES = {"chexbert": "f1chexbert"}
OFFERED = (
    "f1chexbert", "radgraph", "ratescore", "radgraph_radcliq", "radcliq", "srrbert", "temporal", "green", "bertscore",
    "radeval_bertscore",
)  # fmt: skip
PATIENCE_S = 3.0  # for the hub to answer; without it radeval's own libraries try for minutes


@dataclass(frozen=True)
class ClinicalScore:
    """One number of radeval for one row of the table; `reason` says why there is none, and `value` is None then."""

    row: str
    metric: str  # what was asked for
    name: str  # what radeval calls the number
    value: float | None
    reason: str = ""
    radeval: str = ""  # its version


def metric_names(text: str) -> list[str]:
    """The metrics in "chexbert,radgraph" under radeval's names; ValueError lists those that there are."""
    names = [ALIASES.get(name, name) for name in (part.strip().lower() for part in text.split(",")) if name]
    unknown = [name for name in names if name not in OFFERED]
    if unknown or not names:
        raise ValueError(f"unknown: {', '.join(unknown) or 'nothing'}; choose of chexbert, {', '.join(OFFERED)}")
    return list(dict.fromkeys(names))


def clinical_scores(
    metrics: Sequence[str], reports: Mapping[str, Sequence[str]], references: Sequence[str], weights: Path | None = None
) -> list[ClinicalScore]:
    """The scores of each list in `reports` (by the name of its row) in each of `metrics`.

    `weights` is a folder in which radeval finds its weights, or leaves them; without it the usual caches are that.
    """
    if find_spec(PACKAGE) is None:
        reason = "radeval is not installed (the extra clinical of xr2text-core; docs/results.md says how)"
        return [ClinicalScore(row, metric, metric, None, reason) for metric in metrics for row in reports]
    task = {
        "metrics": list(metrics),
        "reports": {row: list(texts) for row, texts in reports.items()},
        "references": list(references),
        "weights": str(weights.resolve()) if weights else "",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "xr2text_core.metrics.radeval_scores"],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=_environment(weights),
        check=False,
    )
    found = [ClinicalScore(**json.loads(line)) for line in answer.stdout.splitlines()]
    answered = {(score.row, score.metric) for score in found}
    ended = f"radeval ended with exit code {answer.returncode}"
    lost = [(row, metric) for metric in metrics for row in reports if (row, metric) not in answered]
    return [*found, *(ClinicalScore(row, metric, metric, None, ended) for row, metric in lost)]


def _environment(weights: Path | None) -> dict[str, str]:
    """Where radeval's libraries look for weights; offline where the hub does not answer."""
    environment = dict(os.environ)
    if weights:
        folder = weights.resolve()
        environment |= {"XDG_CACHE_HOME": str(folder), "HF_HOME": str(folder / "huggingface")}
        environment.pop("HF_HUB_CACHE", None)
    if not _hub_answers():
        environment["HF_HUB_OFFLINE"] = "1"
    return environment


def _hub_answers() -> bool:
    from huggingface_hub import constants

    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=PATIENCE_S):
            return True
    except HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _answer(task: Mapping[str, Any], radeval: Any) -> Iterator[ClinicalScore]:
    """In the other process: ask radeval for one metric after the other."""
    try:
        version = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        version = ""
    for metric in task["metrics"]:
        scorer: Any = None
        for row, texts in task["reports"].items():
            try:
                scorer = scorer or radeval.RadEval(metrics=[metric], show_progress=False)
                numbers = scorer(refs=task["references"], hyps=texts)
            except Exception as error:  # whatever a dozen of other people's models may raise
                lines = str(error).strip().splitlines() or [""]
                yield ClinicalScore(row, metric, metric, None, f"{type(error).__name__}: {lines[0]}", version)
                continue
            for name, value in numbers.items():
                if isinstance(value, (int, float)):
                    yield ClinicalScore(row, metric, name, float(value), "", version)


def _main() -> None:
    task = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # stdout carries our answers, not what radeval prints
        if folder := task["weights"]:
            import appdirs  # which decides on each system where radeval keeps the weights of CheXbert and RadGraph

            appdirs.user_cache_dir = lambda name, *_, **__: str(Path(folder) / name)
        import radeval

        sys.modules.setdefault("RadEval", radeval)  # radeval 2.2.1 imports parts of RadGraph by its former name
        for score in _answer(task, radeval):
            print(json.dumps(asdict(score)), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    _main()
