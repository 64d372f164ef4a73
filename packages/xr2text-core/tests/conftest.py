"""Small real objects that several tests share: phantoms with their cache, a tokenizer, a tiny model."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

# One thread: the models are tiny, and threads that wait for each other on a busy machine are thirty times slower.
os.environ["OMP_NUM_THREADS"] = "1"

IMAGE_SIZE = 64
MAX_TOKENS = 48
RUN_FILES = Path(__file__).parents[3] / "docs" / "run-files.md"


def pytest_configure(config: pytest.Config) -> None:
    """The tests are of the CPU, whose numbers they know; those of a GPU are asked for by `-m gpu`."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """What a test run set up for its console does not reach the next test."""
    yield
    package = logging.getLogger("xr2text_core")
    package.propagate = True
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory):
    """Twelve phantom studies, ready to be trained on: (ReadyStudies, ImageCache, ReportTokenizer)."""
    from xr2text_core.data.images.cache import build_cache
    from xr2text_core.data.readers import phantom
    from xr2text_core.data.ready import make_ready
    from xr2text_core.report.tokenizer import ReportTokenizer

    studies = phantom.read(num_train=12, num_val=0, num_test=0).split("train")
    tokenizer = ReportTokenizer.learn([study.report.findings for study in studies])
    cache = build_cache(tmp_path_factory.mktemp("cache"), [study.frontal for study in studies], IMAGE_SIZE, workers=1)
    return make_ready(studies, "findings", tokenizer, MAX_TOKENS), cache, tokenizer


@pytest.fixture(scope="session")
def tokenizer(phantoms):
    return phantoms[2]


@pytest.fixture(scope="session")
def batches(phantoms):
    """A BatchMaker over the phantoms, on the CPU."""
    import torch

    from xr2text_core.data.batches import BatchMaker

    studies, cache, _ = phantoms
    return BatchMaker(studies, cache, torch.device("cpu"), seed=0)


@pytest.fixture(scope="session")
def two_films(batches):
    """The same studies with two films: the film of the next study is the lateral one, but for every third study."""
    films = batches.studies.frontal
    images = [(film, *films[index + 1 : index + 2]) if index % 3 else (film,) for index, film in enumerate(films)]
    return replace(batches, studies=replace(batches.studies, images=images), views="all")


QUESTIONS = ("Cough and fever for a week.", "", "Chest pain.", "Fall on the left side, pain when breathing.")


@pytest.fixture(scope="session")
def asked(batches, tokenizer):
    """The same studies with questions, but every fourth one without."""
    from xr2text_core.data.ragged import Ragged

    several = [QUESTIONS[number % len(QUESTIONS)] for number in range(len(batches.studies))]
    return replace(batches, studies=replace(batches.studies, questions=Ragged.of(tokenizer.encode_if_any(several, 48))))


@pytest.fixture
def asked_model(tokenizer):
    """A fresh phantom-sized model that reads the question, with the same random weights every time."""
    import torch

    from xr2text_core.model.build import build_model

    torch.manual_seed(0)
    return build_model("phantom", "phantom", "none", IMAGE_SIZE, MAX_TOKENS, tokenizer, indication=True)


@pytest.fixture(scope="session")
def desk_studies():
    """Twelve drawn studies with all that may lie on a desk, each here and there."""
    from xr2text_core.data.readers import phantom

    return phantom.read(num_train=12, num_val=0, num_test=0, desk=True).split("train")


@pytest.fixture(scope="session")
def desk_tokenizer(desk_studies):
    from xr2text_core.report.tokenizer import ReportTokenizer

    return ReportTokenizer.learn([study.report.findings for study in desk_studies])


@pytest.fixture(scope="session")
def desk(desk_studies, desk_tokenizer, tmp_path_factory: pytest.TempPathFactory):
    """These studies ready to be trained on: a BatchMaker."""
    import torch

    from xr2text_core.data.batches import BatchMaker
    from xr2text_core.data.images.cache import build_cache
    from xr2text_core.data.ready import make_ready
    from xr2text_core.data.study import film_names
    from xr2text_core.settings.settings import Inputs

    names = film_names(desk_studies, "all", prior=True)
    cache = build_cache(tmp_path_factory.mktemp("desk"), names, IMAGE_SIZE, workers=1)
    inputs = Inputs("all", indication=True, prior=True)
    ready = make_ready(desk_studies, "findings", desk_tokenizer, MAX_TOKENS, inputs=inputs)
    return BatchMaker(ready, cache, torch.device("cpu"), seed=0, views="all")


@pytest.fixture
def desk_model(desk_tokenizer):
    """A fresh phantom-sized model that reads all of a desk, with the same random weights every time."""
    import torch

    from xr2text_core.model.build import build_model

    torch.manual_seed(0)
    sizes = ("phantom", "phantom", "none", IMAGE_SIZE, MAX_TOKENS)
    return build_model(*sizes, desk_tokenizer, "all", indication=True, prior=True)


@pytest.fixture
def two_film_model(tokenizer):
    """A fresh phantom-sized model for both films of a study, with the same random weights every time."""
    import torch

    from xr2text_core.model.build import build_model

    torch.manual_seed(0)
    return build_model("phantom", "phantom", "none", IMAGE_SIZE, MAX_TOKENS, tokenizer, "all")


@pytest.fixture
def tiny_model(tokenizer):
    """A fresh phantom-sized model with the same random weights every time."""
    import torch

    from xr2text_core.model.build import build_model

    torch.manual_seed(0)
    return build_model("phantom", "phantom", "none", IMAGE_SIZE, MAX_TOKENS, tokenizer)


@pytest.fixture
def any_precision() -> Iterator[None]:
    """For another precision than that of other tests: accelerate knows one for a process."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="session")
def documented() -> Callable[[str], list[str]]:
    """The names in the first column of the first table below a heading of docs/run-files.md."""

    def names(heading: str) -> list[str]:
        section = RUN_FILES.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
        rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
        return [name for row in rows[2:] for name in _expanded(row)]

    return names


def _expanded(cell: str) -> list[str]:
    """`a, b` is two names; `bleu_1 ... bleu_4` is four."""
    if " ... " in cell:
        stem, first = cell.split(" ... ")[0].rsplit("_", 1)
        last = cell.rsplit("_", 1)[1]
        return [f"{stem}_{number}" for number in range(int(first), int(last) + 1)]
    return [name.strip() for name in cell.split(",")]
