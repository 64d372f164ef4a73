"""What README and docs say is so: links lead somewhere, tests that they name exist, commands are understood and run."""

import argparse
import ast
import contextlib
import importlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import xr2text_core

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NEEDS = ("needs data", "needs a GPU")
MONITOR = "../../xr2text-monitor/tests"
# Pages of measurements: their commands take hours, so they are read by the parsers only.
MEASUREMENTS = {"results.md", "faults.md", "performance.md", "scaling.md"}

# A command as it stands in a page, and smaller sizes for it here.
SMALL = {
    "train": "--num-studies 16 --val-studies 4 --image-size 64 --max-tokens 24 --batch 8 --accumulation 1 --epochs 1",
    "evaluate": "--num-studies 4 --neighbours 4 --beams 1",
    "gallery": "--num-studies 2 --beams 1",
    "generate": "--beams 1",
    "phantom": "--size 64",
    "preflight": "--quick",
}
# Commands that other tests run, because they need a screen, a minute, or a run of their own.
RUN_ELSEWHERE = {
    r"--help": "test_docs.py::test_help_names_what_the_parser_knows",
    r"xr2text_core\.preflight$": "test_preflight.py::test_a_phantom_run_on_a_cpu_is_ready",
    r"xr2text_core\.demo$": "test_demo.py::test_the_command_deletes_what_was_uploaded_when_it_ends",
    r"train --supervise": "supervisor/test_supervise.py::test_a_killed_trainer_is_started_again_and_its_signal_named",
    r"train --resume": "test_train.py::test_any_checkpoint_can_be_resumed_and_newer_rows_are_cut",
    r"train --pause-temp": "test_train.py::test_a_hot_gpu_pauses_the_training_after_saving_and_changes_nothing",
    r"train --image-size": "test_train.py::test_named_runs_lie_beside_each_other",
    r"seed[012]\b": "test_several_runs.py::test_scores_of_runs_are_gathered_by_their_names_or_their_files",
    r"^scripts": "supervisor/test_start_script.py::test_preflight_and_training_get_the_same_flags",
    r"xr2text-monitor$": f"{MONITOR}/test_app.py::test_a_run_is_followed_from_nothing_to_its_end",
    r"--on-alert": f"{MONITOR}/test_monitor_cli.py::test_on_alert_gets_the_warning_in_its_environment",
}
OURS = re.compile(r"-m (xr2text_core\.\w+)(?=\s|$)(.*)|^(xr2text-monitor)(?=\s|$)(.*)")
START = re.compile(r"(?:\w+=\S+ )*(?:\S*python3?|torchrun|accelerate|xr2text-monitor|nox|scripts[/\\]\S+|pip)(?= |$)")


@dataclass(frozen=True)
class Command:
    page: str
    text: str
    is_marked: bool  # the line says that it needs data or a GPU

    @property
    def ours(self) -> tuple[str, list[str]] | None:
        """Module and flags of one of our commands, whoever starts it."""
        if script := re.match(r"scripts[/\\]start_training_robust\S+(.*)", self.text):
            flags = shlex.split(script[1])
            return "xr2text_core.train", flags[1:] if flags[:1] == ["--skip-preflight"] else flags
        found = OURS.search(self.text)
        if found is None:
            return None
        module, flags = (found[1], found[2]) if found[1] else ("xr2text_monitor.cli", found[4])
        return module, shlex.split(flags)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def commands() -> list[Command]:
    """Every command in a block or in a span of code, each once."""
    found: dict[str, Command] = {}
    for page in PAGES:
        for line, code in pieces_of_code(page.read_text(encoding="utf-8")):
            text, is_marked = code.partition("  # ")[0].strip(), any(phrase in line for phrase in NEEDS)
            for part in text.split(" && "):
                part = re.sub(r"\.venv(/bin/|\\Scripts\\)", "", part).strip()
                if START.match(part):
                    known = found.get(part)
                    if known is None or known.is_marked:
                        name = page.relative_to(ROOT).as_posix()
                        found[part] = Command(name, part, is_marked and (known is None or known.is_marked))
    return list(found.values())


def pieces_of_code(text: str) -> list[tuple[str, str]]:
    """(line, code) of every line in a block and of every span."""
    pieces, is_block = [], False
    for line in re.sub(r"\\\n\s*", "", text).splitlines():  # a command may go on in the next line
        if line.lstrip().startswith("```"):
            is_block = not is_block
        elif is_block or line.startswith("    "):
            pieces.append((line, line.strip()))
        else:
            pieces += [(line, span) for span in re.findall(r"`([^`]+)`", line)]
    return pieces


COMMANDS = commands()
OUR_COMMANDS = [each for each in COMMANDS if each.ours]
TO_RUN = [
    each
    for each in OUR_COMMANDS
    if not each.is_marked
    and Path(each.page).name not in MEASUREMENTS
    and "decisions" not in each.page
    and not any(re.search(pattern, each.text) for pattern in RUN_ELSEWHERE)
]
MAKERS = [each for each in TO_RUN if re.search(r"xr2text_core\.(train$|phantom )", each.text)]


class Parsed(Exception):
    """The arguments were understood."""


def parse(module: str, flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command read its flags, and stop it there."""
    original = argparse.ArgumentParser.parse_args

    def stop_after(parser: argparse.ArgumentParser, *arguments: object, **named: object) -> None:
        original(parser, *arguments, **named)  # type: ignore[call-overload]
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop_after)
    with pytest.raises(Parsed):
        if module == "xr2text_core.train":  # its module imports torch
            importlib.import_module("xr2text_core.settings.arguments").parse_arguments(flags)
        else:
            importlib.import_module(module).main(flags)


# -- pages


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in headings(target), f"{page.name} links to {link}, which has no such heading"


def test_every_message_in_the_troubleshooting_is_one_that_the_program_says() -> None:
    source = Path(xr2text_core.__file__).parent
    said = "".join(path.read_text(encoding="utf-8") for path in source.rglob("*.py"))
    rows = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    symptoms = re.findall(r"^\| ([^|]+) \|", rows, re.MULTILINE)
    quoted = [message for row in symptoms for message in re.findall(r'"(.+?)"', row)]
    assert quoted
    assert [message for message in quoted if message not in said] == []


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


def test_pages_install_the_pytorch_that_everything_else_is_tested_with() -> None:
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    pinned = set(re.findall(r"\b(?:torch|torchvision)==[\d.]+", text))
    assert len(pinned) == 2
    assert pinned <= set(tested)


def test_the_citation_names_the_version_of_the_program() -> None:
    assert f"\nversion: {xr2text_core.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def is_test(citation: str, folder: Path) -> bool:
    path, _, name = citation.partition("::")
    file = folder / path
    return file.is_file() and (not name or name in functions_in(file))


def test_every_test_that_a_page_names_exists() -> None:
    for page in PAGES:
        for citation in re.findall(r"`?([\w./-]+\.py::test_\w+)", page.read_text(encoding="utf-8")):
            places = [ROOT, *(ROOT / "packages" / f"xr2text-{name}" for name in ("core", "monitor"))]
            folders = [*places, *(place / "tests" for place in places)]
            assert any(is_test(citation, folder) for folder in folders), f"{page.name} names {citation}"


def test_what_is_run_elsewhere_is_run_there() -> None:
    for citation in RUN_ELSEWHERE.values():
        assert is_test(citation, Path(__file__).parent), citation


def test_every_session_of_nox_that_a_page_names_exists() -> None:
    sessions = functions_in(ROOT / "noxfile.py")
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r'nox -s "?(\w+)', text))
    assert named
    assert named <= sessions


def test_every_extra_that_a_page_installs_exists() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for package, extras in re.findall(r"xr2text-(core|monitor)\[([\w,]+)\]", text):
        project = (ROOT / "packages" / f"xr2text-{package}" / "pyproject.toml").read_text(encoding="utf-8")
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", project, re.MULTILINE), f"xr2text-{package}[{extra}]"


POWERSHELL = [
    (page, line)
    for page in PAGES
    for block in re.findall(
        r"^ *```powershell\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for line in block.splitlines()
]
NOT_POWERSHELL = {
    "&& and || came with PowerShell 7": r"&&|\|\|",
    "the Python of Windows is py or python": r"\bpython3\b",
    "a shell's words": r"(?:^|[;\s])(?:source|export|sudo|\.) |\\$",
    "a variable is set by $env:NAME = ...": r"(?:^|;)\s*[A-Z_]+=",
    "programs of the environment lie in .venv\\Scripts": r"\.venv/|/Scripts|\bvenv\\bin|(?<!\.venv\\)\bScripts\\",
}


def test_pages_have_lines_for_powershell() -> None:
    assert len({page for page, _ in POWERSHELL}) >= 2


@pytest.mark.parametrize("reason", NOT_POWERSHELL)
def test_lines_for_powershell_work_in_the_one_that_windows_brings(reason: str) -> None:
    """Windows PowerShell 5.1, whose environment nobody has activated."""
    wrong = [f"{page.name}: {line}" for page, line in POWERSHELL if re.search(NOT_POWERSHELL[reason], line)]
    assert wrong == [], reason
    starts = [re.split(r"[\s;]", line.strip())[0] for _, line in POWERSHELL]
    assert set(starts) <= {
        "git",
        "cd",
        "py",
        *(rf".venv\Scripts\{name}" for name in ("pip", "python", "xr2text-monitor")),
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("git clone a b && cd b", "&& and || came with PowerShell 7"),
        ("python3 -m venv .venv", "the Python of Windows is py or python"),
        (". .venv/bin/activate", "a shell's words"),
        ("OMP_NUM_THREADS=1 python -m a", "a variable is set by $env:NAME = ..."),
        (".venv/Scripts/pip install a", "programs of the environment lie in .venv\\Scripts"),
        ("Scripts\\pip install a", "programs of the environment lie in .venv\\Scripts"),
    ],
)
def test_what_powershell_does_not_know_would_be_found(line: str, reason: str) -> None:
    assert re.search(NOT_POWERSHELL[reason], line)
    assert not re.search(NOT_POWERSHELL[reason], '.venv\\Scripts\\pip install -e "packages/a[b]"')


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.ours], ids=str)
def test_every_script_that_a_command_starts_exists(command: Command) -> None:
    places = (ROOT, *(ROOT / "packages").iterdir())
    for name in re.findall(r"[\w./-]+\.(?:py|sh|bat)(?=\s|$)", command.text):
        if Path(name).stem.isupper():  # NAME.py stands for any
            continue
        assert any((place / name).is_file() for place in places), name


# -- commands


def test_pages_hold_commands() -> None:
    assert len(TO_RUN) > 10


@pytest.mark.parametrize("command", [each for each in OUR_COMMANDS if "--help" not in each.text], ids=str)
def test_every_command_is_understood(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    module, flags = command.ours or ("", [])
    parse(module, [flag for flag in flags if flag != "..."], monkeypatch)


@pytest.mark.parametrize("module", sorted({each.ours[0] for each in OUR_COMMANDS if each.ours}))
def test_help_names_what_the_parser_knows(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag in a page stands in --help too."""
    with pytest.raises(SystemExit) as left:
        importlib.import_module(module).main(["--help"])
    assert left.value.code == 0
    told = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    given = {flag for each in OUR_COMMANDS if each.ours and each.ours[0] == module for flag in each.ours[1]}
    assert {flag for flag in given if flag.startswith("--")} <= told


def run(command: Command) -> int:
    """The command in this process, with smaller sizes."""
    module, flags = command.ours or ("", [])
    flags = [*flags, *SMALL.get(module.rpartition(".")[2], "").split()]
    if module == "xr2text_monitor.cli":  # 1: it ran, and this computer is warned about
        return int(importlib.import_module(module).main([*flags, "--no-gpu"])) // 2
    return int(importlib.import_module(module).main(flags))


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first command of the README has trained a model, and phantoms lie as the pages say."""
    folder = tmp_path_factory.mktemp("newcomer")
    with contextlib.chdir(folder):
        for command in MAKERS:
            assert run(command) == 0, command
    return folder


@pytest.mark.parametrize("command", [each for each in TO_RUN if each not in MAKERS], ids=str)
def test_every_command_runs(command: Command, newcomer: Path) -> None:
    with contextlib.chdir(newcomer):
        assert run(command) == 0


def test_the_console_of_the_guide_is_that_of_the_trainer(newcomer: Path) -> None:
    """Lines of every run, with their numbers masked."""
    log = (newcomer / "data/statistics/train.log").read_text(encoding="utf-8")
    said = {re.sub(r"[\d.]+", "#", line) for line in re.findall(r"\[?INFO\]? (.+)", log)}
    shown = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    for start in ("Epoch ", "Final checkpoint saved", "Training completed!"):
        line = re.search(rf"\[INFO\] ({re.escape(start)}.+)", shown)
        assert line is not None
        assert re.sub(r"[\d.]+", "#", line[1]) in said, said
