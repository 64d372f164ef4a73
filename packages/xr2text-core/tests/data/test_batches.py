"""Batches: whole studies in, tensors out; a study is the same whoever is beside it."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from xr2text_core.data.batches import IGNORED, Batch, BatchMaker, finding_targets, padded
from xr2text_core.data.images.cache import ImageCache, build_cache
from xr2text_core.data.images.cache_files import RECORD, cache_key, create
from xr2text_core.data.readers.sources import read_dataset
from xr2text_core.data.ready import make_ready
from xr2text_core.data.study import DatasetError, Prior, Study, film_names
from xr2text_core.report.changes.comparisons import CHANGES, changes, has_comparison
from xr2text_core.report.labeler import Mention, ReportLabels
from xr2text_core.report.report import Report
from xr2text_core.report.statements import UNKNOWN
from xr2text_core.report.tokenizer import ReportTokenizer
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.settings.settings import Inputs

ANYWHERE = len(REGIONS)


@pytest.fixture(scope="session")
def batch(batches: BatchMaker) -> Batch:
    return batches.training(range(7), epoch=1)


def test_a_batch_has_the_documented_shapes_and_ranges(batch: Batch, batches: BatchMaker) -> None:
    longest = max(len(batches.studies.tokens[index]) for index in range(7))
    assert batch.images.shape == (7, 1, 1, 64, 64) and batch.is_film is None
    assert batch.tokens.shape == (7, longest)
    assert batch.finding_labels.shape == (7, len(REGIONS) + 1, len(FINDINGS))
    assert (batch.images.min() >= 0, batch.images.max() <= 1, batch.images.dtype) == (True, True, torch.float32)


def test_parts_are_slices_with_their_padding_cut(batch: Batch) -> None:
    for size in (1, 2, 3, 7, 10):
        parts = list(batch.parts(size))
        assert [len(part) for part in parts] == [min(size, 7 - start) for start in range(0, 7, size)]
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        assert torch.equal(torch.cat([part.finding_labels for part in parts]), batch.finding_labels)
        for start, part in zip(range(0, 7, size), parts, strict=True):
            width = part.tokens.shape[1]
            assert torch.equal(part.tokens, batch.tokens[start : start + size, :width])
            assert (batch.tokens[start : start + size, width:] == IGNORED).all()
            assert (part.tokens[:, -1] != IGNORED).any()
        assert sum(part.num_tokens for part in parts) == batch.num_tokens


def test_the_longest_reports_come_first_so_that_parts_waste_little(batch: Batch) -> None:
    lengths = (batch.tokens != IGNORED).sum(1).tolist()
    assert lengths == sorted(lengths, reverse=True)


def test_a_study_in_training_does_not_depend_on_its_batch_mates(batches: BatchMaker) -> None:
    alone = batches.training([3], epoch=2)
    for mates in ([3, 0, 5], [5, 3], [1, 2, 3, 4]):
        batch = batches.training(mates, epoch=2)
        same = [index for index in range(len(mates)) if torch.equal(batch.images[index], alone.images[0])]
        assert len(same) == 1
        assert torch.equal(batch.tokens[same[0], : alone.tokens.shape[1]], alone.tokens[0])
        assert torch.equal(batch.finding_labels[same[0]], alone.finding_labels[0])


def test_the_order_in_which_studies_are_asked_for_does_not_matter(batches: BatchMaker) -> None:
    lengths = {len(batches.studies.tokens[index]): index for index in range(12)}  # no two of the same length
    indices = list(lengths.values())
    first, second = batches.training(indices, epoch=1), batches.training(indices[::-1], epoch=1)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.tokens, second.tokens)


def test_epochs_differ_in_their_images_and_not_in_their_reports(batches: BatchMaker) -> None:
    first, second = batches.training([3], epoch=1), batches.training([3], epoch=2)
    assert not torch.equal(first.images, second.images)
    assert torch.equal(first.tokens, second.tokens)


def test_validation_shows_the_pixels_as_they_are_in_the_order_asked_for(batches: BatchMaker) -> None:
    batch = batches.plain([4, 2])
    names = [batches.studies.frontal[index] for index in (4, 2)]
    assert torch.equal((batch.images[:, 0, 0] * 255).round().byte(), torch.from_numpy(batches.cache.images(names)))
    assert batch.tokens[0, : len(batches.studies.tokens[4])].tolist() == batches.studies.tokens[4]


def test_padding_is_what_the_loss_ignores() -> None:
    assert padded([[5, 6, 2], [7, 2]]).tolist() == [[5, 6, 2], [7, 2, IGNORED]]


def target(*mentions: Mention) -> dict[tuple[str, str], float]:
    """The targets that are not zero, by finding and region."""
    rows = (*REGIONS, "anywhere")
    targets = finding_targets(ReportLabels(mentions, is_normal=False))
    assert targets.shape == (len(rows), len(FINDINGS))
    return {(FINDINGS[column], rows[row]): float(targets[row, column]) for row, column in zip(*targets.nonzero())}  # noqa: B905


def test_a_finding_is_expected_of_its_regions_and_of_the_whole_image() -> None:
    mention = Mention("pleural effusion", "present", ("left lung", "costophrenic angles"))
    assert target(mention) == {
        ("pleural effusion", "left lung"): 1.0,
        ("pleural effusion", "costophrenic angles"): 1.0,
        ("pleural effusion", "anywhere"): 1.0,
    }


def test_a_denied_finding_is_expected_nowhere_and_a_doubted_one_half() -> None:
    assert target(Mention("pneumothorax", "absent", ("left lung",))) == {}
    assert target(Mention("pneumonia", "uncertain", ("left lung",))) == {
        ("pneumonia", "left lung"): 0.5,
        ("pneumonia", "anywhere"): 0.5,
    }


def test_present_beats_uncertain_beats_absent_whatever_comes_first() -> None:
    mentions = [Mention("edema", status, ("right lung",)) for status in ("uncertain", "present", "absent")]
    for order in (mentions, mentions[::-1]):
        assert target(*order) == {("edema", "right lung"): 1.0, ("edema", "anywhere"): 1.0}


def test_a_finding_in_no_region_is_expected_of_the_whole_image() -> None:
    assert target(Mention("support devices", "present")) == {("support devices", "anywhere"): 1.0}


def test_the_section_that_is_trained_on_is_tokenized_labelled_and_compared_with() -> None:
    report = Report("The heart is enlarged.", "No pneumothorax.")
    study = Study("s", ("a.png", "b.png"), ("PA", "lateral"), report, "p", "train")
    tokenizer = ReportTokenizer.learn([report.findings])
    for section, text, present in [
        ("findings", report.findings, {"cardiomegaly"}),
        ("impression", report.impression, set()),
    ]:
        ready = make_ready([study], section, tokenizer, max_tokens=64)
        assert (ready.study_ids, ready.images, ready.references) == (["s"], [("a.png",)], [text])
        assert tokenizer.decode(ready.tokens) == [text]
        assert ready.labels[0].present == present


def test_a_study_shows_its_frontal_film_and_with_all_views_its_first_readable_lateral_one() -> None:
    views = ("PA", "AP", "lateral", "lateral")
    study = Study("s", ("a.png", "b.png", "c.png", "d.png"), views, Report("Clear."), "p", "train")
    assert (study.films("frontal"), study.films("all")) == (("a.png",), ("a.png", "c.png"))
    alone = replace(study, images=("c.png",), views=("lateral",))
    assert alone.films("all") == ("c.png",)
    tokenizer = ReportTokenizer.learn(["Clear."])
    for unreadable, expected in (((), ("a.png", "c.png")), (("c.png",), ("a.png",))):
        ready = make_ready([study], "findings", tokenizer, 8, inputs=Inputs("all"), unreadable=unreadable)
        assert (ready.images, ready.frontal) == ([expected], ["a.png"])


def test_no_studies_are_ready_without_an_error() -> None:
    assert len(make_ready([], "findings", ReportTokenizer.learn(["a"]), 8)) == 0


def test_phantoms_need_no_folder_and_the_other_sources_say_that_they_do(tmp_path: Path) -> None:
    assert len(read_dataset("phantom", "", 3, seed=1).split("train")) == 3
    for name in ("manifest", "iu-xray", "mimic-cxr"):
        with pytest.raises(DatasetError, match=f"--data {name} needs --root"):
            read_dataset(name, "", 3, seed=1)
        with pytest.raises(DatasetError, match="no such file or folder"):
            read_dataset(name, str(tmp_path / "missing"), 3, seed=1)


@pytest.fixture
def films(tmp_path: Path) -> BatchMaker:
    """Batches of five studies whose images are files."""
    rng = np.random.default_rng(0)
    names = [str(tmp_path / f"{number}.png") for number in range(5)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(name)
    reports = [Report("No pleural effusion." + " Clear." * number) for number in range(5)]
    studies = [
        Study(str(k), (name,), ("PA",), report, "p", "train")
        for k, (name, report) in enumerate(zip(names, reports, strict=True))
    ]
    tokenizer = ReportTokenizer.learn([report.findings for report in reports])
    ready = make_ready(studies, "findings", tokenizer, 48)
    return BatchMaker(ready, build_cache(tmp_path / "cache", names, 64, workers=1), torch.device("cpu"), seed=0)


def lose(films: BatchMaker, *indices: int) -> None:
    """Damage the cached pixels of these studies and delete their files."""
    for index in indices:
        with (films.cache.path / "images.u8").open("r+b") as file:
            file.seek(index * 64 * 64)
            file.write(bytes(64))
        Path(films.studies.frontal[index]).unlink()


def test_an_image_that_vanished_is_served_from_the_cache(films: BatchMaker) -> None:
    before = films.plain(range(5))
    Path(films.studies.frontal[2]).unlink()
    assert torch.equal(films.plain(range(5)).images, before.images)
    assert films.take_lost() == []


def test_a_batch_goes_without_lost_images_and_names_each_once(films: BatchMaker) -> None:
    whole = films.training(range(5), epoch=1)
    lose(films, 1, 3)
    films = BatchMaker(films.studies, ImageCache(films.cache.path, films.studies.frontal, 64, {}), films.device, 0)
    for _ in range(2):
        batch = films.training(range(5), epoch=1)
        kept = [place for place, study in enumerate(whole.studies) if study not in (1, 3)]
        assert list(batch.studies) == [4, 2, 0] == [whole.studies[place] for place in kept]
        assert torch.equal(batch.images, whole.images[kept])
        assert torch.equal(batch.tokens, whole.tokens[kept])
        assert torch.equal(batch.finding_labels, whole.finding_labels[kept])
    assert films.take_lost() == ["3.png", "1.png"]
    assert list(films.plain([0, 1, 2]).studies) == [0, 2]
    assert films.take_lost() == []


def test_a_batch_whose_images_are_all_lost_is_empty_and_no_error(films: BatchMaker) -> None:
    lose(films, 0, 1)
    for batch in (films.training([0, 1], epoch=1), films.plain([0, 1])):
        assert (len(batch), batch.num_tokens, list(batch.parts(4))) == (0, 0, [])
        assert batch.images.shape == (0, 1, 1, 64, 64)


def test_a_lateral_film_changes_neither_the_frontal_one_nor_is_it_augmented_like_it(
    batches: BatchMaker, two_films: BatchMaker
) -> None:
    alone, both = batches.training(range(7), epoch=1), two_films.training(range(7), epoch=1)
    assert both.images.shape == (7, 2, 1, 64, 64) and alone.studies == both.studies
    assert torch.equal(both.images[:, :1], alone.images)
    assert both.is_film is not None and both.is_film.tolist() == [[True, study % 3 > 0] for study in both.studies]
    plain = two_films.plain([1, 2])
    assert torch.equal(plain.images[0, 1], plain.images[1, 0])  # the lateral film of one is the frontal one of the next
    place = {study: row for row, study in enumerate(both.studies)}
    assert not torch.equal(both.images[place[1], 1], both.images[place[2], 0])


def test_parts_of_studies_with_one_and_with_two_films_are_slices(two_films: BatchMaker) -> None:
    batch = two_films.training(range(7), epoch=1)
    for size in (1, 2, 3, 10):
        parts = list(batch.parts(size))
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        assert torch.equal(torch.cat([part.is_film for part in parts if part.is_film is not None]), batch.is_film)
        assert sorted(map(len, [part.films() for part in parts])) == sorted(int(part.is_film.sum()) for part in parts)


def test_a_lost_lateral_film_is_missing_and_a_lost_frontal_one_leaves_out_its_study(films: BatchMaker) -> None:
    names = films.studies.frontal
    pairs = [(name, other) for name, other in zip(names, [*names[1:], names[0]], strict=True)]
    lose(films, 1)
    cache = ImageCache(films.cache.path, names, 64, {})
    films = BatchMaker(replace(films.studies, images=pairs), cache, films.device, 0, "all")
    batch = films.plain(range(5))
    assert list(batch.studies) == [0, 2, 3, 4] and films.take_lost() == ["1.png"]
    assert batch.is_film is not None and batch.is_film[:, 1].tolist() == [False, True, True, True]
    assert len(batch.films()) == 7
    lose(films, 0, 2, 3, 4)
    films = BatchMaker(films.studies, ImageCache(films.cache.path, names, 64, {}), films.device, 0, "all")
    assert (len(films.plain(range(5))), films.plain(range(5)).images.shape) == (0, (0, 2, 1, 64, 64))


def test_a_question_is_hidden_in_a_quarter_of_the_epochs_and_never_in_validation(asked: BatchMaker) -> None:
    shown = [0, 2, 3]  # the second asks nothing
    numbers = [
        {index for index, row in zip(batch.studies, batch.texts.question, strict=True) if (row >= 0).any()}
        for epoch in range(1, 201)
        for batch in [asked.training(range(4), epoch)]
    ]
    assert all(each <= set(shown) for each in numbers)
    share = sum(map(len, numbers)) / len(numbers) / len(shown)
    assert share == pytest.approx(0.75, abs=0.05)
    again = [asked.training(indices, 7).texts.question for indices in (range(4), [2])]
    assert (again[1] >= 0).any() == (2 in numbers[6])
    plain = asked.plain(range(4)).texts.question
    assert (plain >= 0).any(1).tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("views", "prior", "expected"),
    [
        ("frontal", False, ("a", "", "")),
        ("all", False, ("a", "b", "")),
        ("frontal", True, ("a", "", "c")),
        ("all", True, ("a", "b", "c")),
    ],
)
def test_films_stand_in_the_order_of_the_places_of_a_model(views: str, prior: bool, expected: tuple[str, ...]) -> None:
    both = Study("1", ("a", "b"), ("PA", "lateral"), Report("Clear."), "1", "train", prior=Prior("c", Report("Clear.")))
    alone = replace(both, images=("a",), views=("PA",))
    assert both.films(views, prior) == tuple(filter(None, expected))
    lacking = ("a", "", "c") if views == "all" else ("a", "c")
    assert alone.films(views, prior) == (lacking if prior else ("a",))
    assert film_names([both, alone], views, prior) == [*filter(None, expected), "a", *(["c"] if prior else [])]
    ready = make_ready(
        [alone], "findings", ReportTokenizer.learn(["a"]), 8, inputs=Inputs(views, prior=prior), unreadable=["c"]
    )
    assert ready.images == [("a",)]
    if prior:  # a last study whose film cannot be read counts as none
        assert ready.priors is not None and not ready.priors.is_there[0] and not len(ready.priors.reports[0])
        assert ready.priors.findings[0].tolist() == [UNKNOWN] * len(FINDINGS)


def test_a_last_study_is_hidden_as_a_whole_and_then_the_report_compares_with_nothing(desk: BatchMaker) -> None:
    studies, priors = desk.studies, desk.studies.priors
    assert priors is not None and 0 < priors.is_there.sum() < len(studies)
    num_shown = 0
    for epoch in range(1, 31):
        batch = desk.training(range(len(studies)), epoch)
        for row, index in enumerate(batch.studies):
            has_film = bool(batch.is_film[row, 2])
            assert has_film == bool((batch.texts.prior_report[row] >= 0).any()) == (batch.texts.prior_days[row] >= 0)
            assert not has_film or priors.is_there[index]
            said = batch.texts.prior_findings[row]
            assert said.tolist() == (priors.findings[index].tolist() if has_film else [UNKNOWN] * len(FINDINGS))
            labels = batch.change_labels[row]
            assert labels.tolist() == (priors.changes[index].tolist() if has_film else [IGNORED] * len(FINDINGS))
            taught = batch.tokens[row, : batch.lengths[row]].tolist()
            assert taught == (studies.tokens if has_film else priors.alone_tokens)[index]
            num_shown += has_film
    assert num_shown / 30 / priors.is_there.sum() == pytest.approx(0.75, abs=0.07)
    differs = [alone != whole for alone, whole in zip(priors.alone, studies.references, strict=True)]
    assert any(differs) and not any(map(has_comparison, priors.alone))
    rows = [zip(FINDINGS, row, strict=True) for row in priors.changes]
    said = [{finding: CHANGES[code - 1] for finding, code in row if code} for row in rows]
    assert said == [changes(reference) for reference in studies.references] and any(said)
    plain = desk.plain(range(len(studies)))
    assert plain.is_film[:, 2].tolist() == priors.is_there.tolist()
    assert [plain.tokens[row, :length].tolist() for row, length in enumerate(plain.lengths)] == list(studies.tokens)


def test_films_stand_at_their_places_and_each_is_augmented_by_itself(desk: BatchMaker) -> None:
    films = desk.studies.images
    row = next(row for row, each in enumerate(films) if len(each) == 3 and each[1] == "")
    same = replace(desk.studies, images=[(each[0], each[0], each[0]) for each in films])
    batch = replace(desk, studies=same).training([row], 3)
    shown = batch.images[0][batch.is_film[0]]
    assert not torch.equal(shown[0], shown[1])
    assert desk.plain([row]).is_film.tolist() == [[True, False, True]]
    assert torch.equal(desk.plain([row]).films()[1], desk.plain([row]).images[0, 2])


def test_a_lost_film_of_the_last_study_is_missing(desk: BatchMaker) -> None:
    row = next(row for row, each in enumerate(desk.studies.images) if len(each) == 3 and each[1] == "")
    name = desk.studies.images[row][2]
    cache = ImageCache(desk.cache.path, list(desk.cache._row_of), 64, {name: "made up"})
    batch = replace(desk, cache=cache).plain([row])
    assert batch.is_film.tolist() == [[True, False, False]] and (batch.texts.prior_report >= 0).any()


def test_parts_know_their_studies(films: BatchMaker) -> None:
    assert [list(part.studies) for part in films.plain([4, 0, 2]).parts(2)] == [[4, 0], [2]]


def test_an_image_that_came_back_is_trained_on_again(films: BatchMaker) -> None:
    content = Path(films.studies.frontal[0]).read_bytes()
    lose(films, 0)
    assert len(films.plain([0])) == 0
    Path(films.studies.frontal[0]).write_bytes(content)
    assert len(films.plain([0])) == 1


@pytest.mark.slow
def test_resident_memory_does_not_grow_with_the_data_set(tmp_path: Path) -> None:
    size, count = 48, 100_000  # 230 MB of pixels
    names = [f"phantom:0/{number:06d}" for number in range(count)]
    path = tmp_path / cache_key(names, size)
    create(path, names, size)
    rng, records = np.random.default_rng(0), np.zeros(count, dtype=RECORD)
    with (path / "images.u8").open("wb") as file:
        for row in range(count):
            pixels = rng.bytes(size * size)
            records[row]["crc"] = zlib.crc32(pixels)
            file.write(pixels)
    records.tofile(path / "rows.bin")
    studies = [Study(name, (name,), ("PA",), Report("No pleural effusion."), name, "train") for name in names]
    ready = make_ready(studies, "findings", ReportTokenizer.learn(["No pleural effusion."]), 16)
    films = BatchMaker(ready, ImageCache(path, names, size, {}), torch.device("cpu"), seed=0)

    def read(indices: range) -> int:
        """The resident memory in MiB after reading these studies in batches."""
        for start in indices[::100]:
            assert len(films.plain(range(start, start + 100))) == 100
        return psutil.Process().memory_info().rss >> 20

    before = read(range(2000))
    assert read(range(count)) - before < 40
    assert films.take_lost() == []
