"""Runs the benchmarks one after the other and shows one table: what was measured, the target, and whether it was met.

    nox -s bench -- [--quick] [--markdown] [--write] [--only loop peers]

--quick takes smaller cases, five minutes on two idle cores. --markdown prints what docs/performance.md shows, --write
puts it there, between the markers. Ratios mean something only on a computer that does nothing else.
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "performance.md"
NUMBER = r"([\d.]+)"


@dataclass(frozen=True)
class Number:
    """A number in the output of a benchmark: the median of what `pattern` finds, or the ratio of its two groups."""

    what: str
    pattern: str
    target: float
    is_upper: bool = True  # the target is the most there may be, not the least
    unit: str = " x"

    def read(self, output: str) -> float | None:
        """None where the output does not have it."""
        found = re.findall(self.pattern, output, re.DOTALL)
        if not found:
            return None
        groups = [each if isinstance(each, tuple) else (each,) for each in found]
        return statistics.median(
            float(each[0]) / float(each[1]) if len(each) > 1 else float(each[0]) for each in groups
        )

    def is_met(self, value: float) -> bool:
        return value <= self.target if self.is_upper else value >= self.target


@dataclass(frozen=True)
class Part:
    """One benchmark: its script, the flags of a quick run, and its numbers."""

    name: str
    title: str
    script: str
    quick: tuple[str, ...]
    numbers: tuple[Number, ...]


def _peer(what: str, row: str) -> Number:
    return Number(f"{what}, ours to the best peer", rf"\| {row}[^\n]*\| {NUMBER} x \|", 1.0, is_upper=False)


PARTS = (
    Part("loop", "The loop", "loop_overhead.py", ("--quick",), (
        Number("phantom preset: trainer to bare loop", rf"phantom: \d.*?ratio +{NUMBER}", 1.03),
        Number("ConvNeXt-atto: trainer to bare loop", rf"convnext_atto: \d.*?ratio +{NUMBER}", 1.03),
    )),
    Part("peers", "Beside Seq2SeqTrainer", "peers.py", ("--quick",), (
        _peer("training", "training"),
        _peer("reports", "validation"),
        _peer("peak memory", "peak memory"),
        _peer("start-up", "start-up"),
    )),
    Part("generation", "Writing reports", "generation_speed.py", ("--quick",), (
        Number("transformers to ours", rf"IU-like.*?transformers +[\d.]+ ms a report +{NUMBER} x", 1.5, False),
        Number("prefix recomputed to ours", rf"IU-like.*?recomputed +[\d.]+ ms a report +{NUMBER} x", 13.0, False),
    )),
    Part("scores", "Scores", "score_speed.py", ("--pairs", "1000", "--repeats", "3"), (
        Number("ours to pycocoevalcap", rf"ours: BLEU, ROUGE-L, C\w+ from tokens +{NUMBER} s.*?"
               rf"pycocoevalcap: BLEU, ROUGE-L, C\w+ from tokens +{NUMBER} s", 1.0),
        Number("ours to nltk, BLEU", rf"ours: BLEU from tokens +{NUMBER} s.*?"
               rf"nltk: corpus BLEU from tokens +{NUMBER} s", 1.0),
    )),
    Part("checkpoint", "Checkpoints", "checkpoint_stall.py", ("--repeats", "1"), (
        Number("the loop waits, of torch.save", rf"= {NUMBER}% of the plain save", 5.0, unit=" %"),
    )),
    Part("start", "Start-up", "startup_speed.py", ("--studies", "2000"), (
        Number("phantom run to its first step", rf"phantoms, again +{NUMBER} s", 10.0, unit=" s"),
        Number("--help", rf"--help +{NUMBER} s", 0.5, unit=" s"),
    )),
    Part("cache", "Images", "cache_speed.py", ("--quick",), ()),
    Part("choices", "Defaults", "choices.py", ("--quick",), ()),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one part."""

    part: Part
    command: str
    output: str
    seconds: float
    exit_code: int


def run_part(part: Part, quick: bool) -> Outcome:
    """Run the script in a process of its own; what it says on stderr is shown only where it failed."""
    flags = part.quick if quick else ()
    command = " ".join(["python", f"packages/xr2text-core/benchmarks/{part.script}", *flags])
    print(f"{part.title} ...", end="", flush=True, file=sys.stderr)
    started = time.perf_counter()
    done = subprocess.run([sys.executable, HERE / part.script, *flags], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    print(f" {seconds:.0f} s", flush=True, file=sys.stderr)
    output = done.stdout if done.returncode == 0 else f"{done.stdout}\n{done.stderr[-2000:]}"
    lines = [line for line in output.splitlines() if not line.startswith(("[INFO]", "[WARNING]"))]
    return Outcome(part, command, "\n".join(lines).strip(), seconds, done.returncode)


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The table of all numbers, in Markdown."""
    lines = ["| | measured | target | |", "|---|---|---|---|"]
    for outcome in outcomes:
        for number in outcome.part.numbers:
            value = number.read(outcome.output)
            shown = "-" if value is None else f"{value:.3g}{number.unit}"
            sign = "<=" if number.is_upper else ">="
            verdict = "not measured" if value is None else "met" if number.is_met(value) else "MISSED"
            lines.append(f"| {number.what} | {shown} | {sign} {number.target:g}{number.unit} | {verdict} |")
    return lines


def machine() -> str:
    """What the numbers were measured on."""
    names = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "accelerate", "timm"))
    day = datetime.now(UTC).date().isoformat()
    system = f"{os.cpu_count()} CPUs ({_processor()}), {platform.system()}, Python {platform.python_version()}"
    return f"{day}, {system}, {names}"


def _processor() -> str:
    """Its name, as the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*: (.*)", text)
    return found[1].strip() if found else platform.machine()


def markdown(outcomes: Sequence[Outcome], quick: bool) -> str:
    """What stands between the markers of docs/performance.md."""
    lines = [f"{machine()}{'; quick' if quick else ''}.", "", *summary(outcomes)]
    for outcome in outcomes:
        lines += ["", f"### {outcome.part.title}", "", f"    {outcome.command}", "", *_shown(outcome.output)]
    return "\n".join(lines)


def _shown(output: str) -> list[str]:
    """Tables as they are, all other lines as they were printed."""
    shown: list[str] = []
    was_table = True
    for line in output.splitlines():
        is_table = line.startswith("|")
        if is_table != was_table:
            shown.append("```" if not is_table else "```\n")
        shown.append(line)
        was_table = is_table
    return [*shown, *([] if was_table else ["```"])]


def put_between_markers(page: str, name: str, text: str) -> str:
    """`page` with `text` where <!-- name --> begins and <!-- end of name --> ends. ValueError without both."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(start)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"the page has no {start} ... {end}")
    return f"{before}{start}\n\n{text}\n\n{end}{after}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller cases: about five minutes")
    parser.add_argument("--markdown", action="store_true", help="print what docs/performance.md shows")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="these parts")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    started = time.perf_counter()
    outcomes = [run_part(part, options.quick) for part in PARTS if not options.only or part.name in options.only]
    text = markdown(outcomes, options.quick)
    print(text if options.markdown else "\n".join(summary(outcomes)))
    if options.write:
        PAGE.write_text(put_between_markers(PAGE.read_text("utf-8"), "measured", text), "utf-8")
    failed = [outcome for outcome in outcomes if outcome.exit_code]
    for outcome in failed:
        print(f"\nerror: {outcome.command} ended with {outcome.exit_code}:\n{outcome.output}", file=sys.stderr)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
