"""The page shows what the model wrote and saw, is safe to open, needs no network, and can be used without a mouse."""

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from xr2text_core import evaluate, gallery
from xr2text_core.data.images.decode import read_image
from xr2text_core.data.study import Prior, Study
from xr2text_core.inference.gallery import (
    SHOWN_PX,
    Gallery,
    findings_said,
    jpeg_uri,
    page,
    shown_film,
    texts_beside,
)
from xr2text_core.inference.reports import reports_of
from xr2text_core.inference.trained import load_model
from xr2text_core.metrics.clinical_f1 import clinical_statistics
from xr2text_core.report.differences import differences
from xr2text_core.report.report import Report
from xr2text_core.report.vocabulary import FINDINGS, REGIONS
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.settings.settings import Settings
from xr2text_core.training.trainer import Trainer

if TYPE_CHECKING:
    from chromium import Page

HOSTILE = '</script><script>document.title = "hacked"</script><img src=x onerror="document.title=1"> <!-- {{data}} &lt;'
ALSO_HOSTILE = HOSTILE.replace("title", "cookie")  # unlike the other, so that both are marked
PAIRS = [  # reference, candidate, and the finding that both state, only the reference states, only the candidate states
    ("The lungs are clear.", "The lungs are clear.", "", "", ""),
    ("There is cardiomegaly. There is edema.", "There is cardiomegaly.", "cardiomegaly", "edema", ""),
    (f"Left pleural effusion. {HOSTILE}", f"A pneumothorax. {ALSO_HOSTILE}", "", "pleural effusion", "pneumothorax"),
]


# In the second study the pen leaves out an edema that was decided; in the third, the pneumothorax is the pen's.
DECIDED: list[list[str]] = [[], ["cardiomegaly", "edema"], []]


class Elements(HTMLParser):
    """All start tags with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1] += data

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.scripts[0]))


def study(number: int) -> dict[str, Any]:
    reference, candidate, *findings = PAIRS[number]
    runs = differences(reference, candidate)
    counted = dict(zip(("agreed", "missed", "invented"), findings, strict=True))
    return {
        "id": f"study-{number} <b>",
        "films": [
            {"view": view, "image": jpeg_uri(read_image(f"phantom:0/{number}", 64))}
            for view in (("PA", "lateral") if number else ("PA",))
        ],
        "beside": [("Indication", "<b>Cough.</b>")] if number else [],
        "reference": runs[0],
        "candidate": runs[1],
        "reference_says": findings_said(reference),
        "candidate_says": findings_said(candidate),
        "decided": [FINDINGS.index(name) for name in DECIDED[number]],
        **{kind: [FINDINGS.index(name)] if name else [] for kind, name in counted.items()},
        "bleu_4": 1.0 - number / 4,
        "rouge_l": 0.5,
        "attention": base64.b64encode(bytes(range(4)) * len(REGIONS)).decode(),
        "suspected": [[5] * len(FINDINGS)] * len(REGIONS) + [list(range(len(FINDINGS)))],
    }


@pytest.fixture(scope="module")
def small_page() -> str:
    """A page of three studies, one of which tries to be more than text."""
    about = [("checkpoint", "<i>best</i>.pt"), ("data", "phantom")]
    studies = [study(number) for number in range(len(PAIRS))]
    return page(
        Gallery(
            about,
            "3 of the 300 studies of the test split",
            [("BLEU-4", "0.500")],
            list(REGIONS),
            list(FINDINGS),
            studies,
        )
    )


# ---- from a checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint that was trained for a moment, and a page of its reports."""
    folder = tmp_path_factory.mktemp("run")
    flags = ["--num-studies", "24", "--val-studies", "4", "--image-size", "64", "--epochs", "1", "--max-tokens", "20"]
    assert Trainer(settings_of(parse_arguments([*flags, "--out", str(folder)]))).fit() == 0
    return folder


@pytest.fixture(scope="module")
def written(run: Path) -> dict[str, Any]:
    """The data of a page of 5 studies."""
    out = run / "new folder" / "gallery.html"
    flags = ["--checkpoint", str(run / "checkpoints/best_model.pt"), "--num-studies", "5", "--beams", "1"]
    assert gallery.main([*flags, "--out", str(out)]) == 0
    return Elements(out.read_text("utf-8")).data


def texts(data: dict[str, Any], kind: str) -> list[str]:
    return ["".join(text for text, _ in each[kind]) for each in data["studies"]]


def test_reports_and_scores_are_those_of_evaluate(run: Path, written: dict[str, Any]) -> None:
    flags = [
        "--checkpoint",
        str(run / "checkpoints/best_model.pt"),
        "--out",
        str(run),
        "--num-studies",
        "5",
        "--beams",
        "1",
    ]
    assert evaluate.main([*flags, "--neighbours", "0", "--save-reports"]) == 0
    with (run / "reports_best_model_test_first_5.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [each["id"] for each in written["studies"]] == [row["study_id"] for row in rows]
    assert texts(written, "reference") == [row["reference"] for row in rows]
    assert texts(written, "candidate") == [row["candidate"] for row in rows]
    with (run / "scores_best_model_test_first_5.csv").open(encoding="utf-8") as file:
        score = next(csv.DictReader(file))
    assert dict(written["scores"])["ROUGE-L"] == f"{float(score['rouge_l']):.3f}"


def test_findings_are_counted_as_the_clinical_f1_counts_them(written: dict[str, Any]) -> None:
    sums = clinical_statistics(texts(written, "candidate"), texts(written, "reference")).sum(axis=0)
    kinds = ("agreed", "invented", "missed")
    shown = [
        [sum(number in each[kind] for each in written["studies"]) for number in range(len(FINDINGS))] for kind in kinds
    ]
    assert np.concatenate(shown).tolist() == sums.tolist()


def test_a_study_shows_what_the_model_reads_beside_its_films() -> None:
    then = Prior("then.png", Report("Small effusion.", ""), days=12.0)
    now = Study("s", ("now.png",), ("PA",), Report("No effusion.", ""), "p", "test", indication="Cough.", prior=then)
    assert texts_beside(now, Settings(indication=True, prior=True)) == [
        ("Indication", "Cough."),
        ("Last report, 12 days before", "Small effusion."),
    ]
    assert texts_beside(now, Settings()) == []


def test_a_study_carries_its_image_and_what_each_region_saw(written: dict[str, Any]) -> None:
    each = written["studies"][0]
    assert [film["view"] for film in each["films"]] == ["AP"]
    kind, content = each["films"][0]["image"].split(",")
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        shown = np.asarray(image).astype(int)
    assert kind == "data:image/jpeg;base64" and shown.shape == (SHOWN_PX, SHOWN_PX)
    assert np.abs(shown - read_image("phantom:0/2000000", SHOWN_PX)).mean() < 6
    maps = np.frombuffer(base64.b64decode(each["attention"]), np.uint8).reshape(len(REGIONS), -1)
    assert (maps.max(axis=1) == 255).all() and round(maps.shape[1] ** 0.5) ** 2 == maps.shape[1]
    percents = np.array(each["suspected"])
    assert percents.shape == (len(REGIONS) + 1, len(FINDINGS)) and 0 <= percents.min() <= percents.max() <= 100


def test_what_the_image_head_decided_is_what_the_model_decides(run: Path, written: dict[str, Any]) -> None:
    trained = load_model(run / "checkpoints/best_model.pt")
    batch = trained.batches(trained.dataset().split("test")[:5]).plain(range(5))
    reading = reports_of(trained, batch.images, batch.is_film, 1).reading
    assert reading is not None
    assert [each["decided"] for each in written["studies"]] == [np.flatnonzero(row).tolist() for row in reading.decided]
    overall = [each["suspected"][-1] for each in written["studies"]]
    assert np.abs(np.array(overall) - 100 * reading.probabilities).max() <= 0.5 + 1e-4


def test_a_film_that_is_not_of_the_study_is_that_of_the_last_one() -> None:
    views = {"phantom:0/0": "PA"}
    assert [shown_film(f"phantom:0/{number}", views)["view"] for number in range(2)] == ["PA", "last study"]


def test_findings_are_given_as_each_report_says_them() -> None:
    said = findings_said("Small right pleural effusion. No pneumothorax. Possible pneumonia. Heart size is normal.")
    expected = {"pleural effusion": "present: mild, right", "pneumothorax": "absent", "pneumonia": "uncertain"}
    assert {FINDINGS[number]: text for number, text in said.items() if FINDINGS[number] in expected} == expected
    assert FINDINGS.index("fracture") not in said


def test_the_page_says_what_it_was_made_from(written: dict[str, Any]) -> None:
    about = dict(written["about"])
    assert about["checkpoint"] == "best_model.pt" and about["data"] == "phantom, 5 of the 300 studies of the test split"
    assert about["section"] == "findings" and about["decoding"] == "greedy" and "clean-full" in about["protocol"]


def test_fifty_studies_stay_below_five_megabytes(run: Path, written: dict[str, Any]) -> None:
    fixed = len(page(Gallery(**{**written, "studies": []})))
    assert fixed + 10 * ((run / "new folder" / "gallery.html").stat().st_size - fixed) < 5e6


def test_a_missing_checkpoint_ends_with_2_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gallery.main(["--checkpoint", str(tmp_path / "none.pt"), "--out", str(tmp_path / "a.html")]) == 2
    assert "none.pt: no such checkpoint" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "reason"), [("folder", "it is a folder"), ("file/a.html", "")])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    assert gallery.main(["--checkpoint", str(tmp_path / "none.pt"), "--out", str(tmp_path / name)]) == 2
    assert f"error: --out {tmp_path / name}: {reason}" in capsys.readouterr().err


def test_help_answers_without_torch() -> None:
    program = "import sys, xr2text_core.gallery; assert not {'torch', 'transformers', 'timm'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0


# ---- the page as text


def test_report_text_is_inert(small_page: str) -> None:
    elements = Elements(small_page)
    assert [tag for tag, _ in elements.tags].count("script") == 2 and len(elements.scripts) == 2
    assert not any(name.startswith("on") for _, attributes in elements.tags for name in attributes)
    assert texts(elements.data, "reference") == [pair[0] for pair in PAIRS]  # unharmed all the same
    assert "<i>best" not in small_page


def test_no_script_but_ours_may_run(small_page: str) -> None:
    elements = Elements(small_page)
    policy = next(attributes["content"] for tag, attributes in elements.tags if attributes.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(elements.scripts[1].encode()).digest()).decode()
    assert policy and "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy


def test_nothing_is_fetched(small_page: str) -> None:
    elements = Elements(small_page)
    addresses = [
        value for _, attributes in elements.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert addresses == ["#studies"]
    assert "url(" not in small_page and "@import" not in small_page
    films = [film["image"] for each in elements.data["studies"] for film in each["films"]]
    assert films and all(image.startswith("data:") for image in films)


def test_every_control_has_a_name(small_page: str) -> None:
    labels = re.findall(r"<label[^>]*><span>\w+</span>\s*<(input|select)", small_page)
    controls = [tag for tag, _ in Elements(small_page).tags if tag in ("input", "select", "textarea")]
    assert sorted(labels) == sorted(controls)
    assert 'lang="en"' in small_page and "width=device-width" in small_page


def luminance(colour: str) -> float:
    parts = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks_for(theme: str) -> None:
    style = (resources.files("xr2text_core") / "page" / "gallery.css").read_text("utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style.split(":root")[1 if theme == "light" else 2]))
    pairs = [*product(("ink", "quiet", "accent"), ("ground", "surface"))]
    pairs += [(kind, ground) for kind in ("agreed", "missed", "invented") for ground in (f"{kind}-ground", "surface")]
    pairs += [("ink", "differs"), ("quiet", "surface")]
    for text, ground in pairs:
        dark, light = sorted((luminance(colours[text]), luminance(colours[ground])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


# ---- the page in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    pytest.importorskip("fcntl", reason="the browser is driven through a POSIX pipe")
    from chromium import chromium

    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        opened.prefer(prefers_reduced_motion="reduce")
        yield opened


@pytest.fixture
def shown(browser: "Page", small_page: str, tmp_path: Path) -> "Page":
    """The page of three studies, opened on a large screen."""
    (tmp_path / "gallery.html").write_text(small_page, "utf-8", newline="\n")
    browser.resize(1400, 1000)
    browser.open(tmp_path / "gallery.html")
    return browser


def titles(shown: "Page") -> list[str]:
    return list(shown.run("[...document.querySelectorAll('.study h2')].map((each) => each.firstChild.data)"))


def choose(shown: "Page", **values: str) -> None:
    for name, value in values.items():
        shown.run(f"document.querySelector('.toolbar').elements[{name!r}].value = {value!r}")
    shown.run("document.querySelector('.toolbar').dispatchEvent(new Event('input'))")


FIRST, SECOND, THIRD = (f"study-{number} <b>" for number in range(3))
FOCUSED = "document.activeElement.closest('.study')?.querySelector('h2').firstChild.data ?? document.activeElement.name"
REGION_SHOWN = "document.querySelector('.regions .shown')?.textContent ?? ''"


def test_the_page_runs_without_errors_and_asks_for_nothing(shown: "Page") -> None:
    assert shown.problems == []
    assert [address for address in shown.requests if not address.startswith("data:")][1:] == []  # the first is the page
    assert titles(shown) == [FIRST, SECOND, THIRD]
    assert "hacked" not in shown.run("document.title")
    said = "['.reference', '.candidate'].map((kind) => document.querySelectorAll(kind)[2].textContent)"
    assert shown.run(said) == list(PAIRS[2][:2])
    assert shown.run("[...document.images].every((image) => image.naturalWidth === 64 && image.alt)") is True


@pytest.mark.parametrize("width", [320, 390, 720, 768, 1100, 1300, 1400])
def test_no_width_scrolls_sideways(shown: "Page", width: int) -> None:
    shown.resize(width, 844, is_phone=width < 700)
    shown.run("document.querySelectorAll('details').forEach((each) => each.open = true)")
    assert shown.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1100, 1400])
def test_no_choice_of_the_toolbar_is_cut_off(shown: "Page", width: int) -> None:
    """A select that is as wide as it likes is as wide as its longest choice."""
    shown.resize(width, 844, is_phone=width < 700)
    wanted = """[...document.querySelectorAll(".toolbar select")].map((each) => {
        const free = each.cloneNode(true);
        free.style.cssText = "width: max-content; position: absolute";
        each.parentElement.append(free);
        const cut = free.offsetWidth - each.offsetWidth;
        free.remove();
        return cut;
    })"""
    assert all(cut <= 0 for cut in shown.run(wanted))


def rows_of(shown: "Page", number: int) -> list[list[str]]:
    cells = "[...row.cells].map((cell) => cell.innerText.replace(/\\s+/g, ' ').trim())"
    return list(
        shown.run(
            f"[...document.querySelectorAll('.study')[{number}].querySelectorAll('tbody tr')].map((row) => {cells})"
        )
    )


def test_eye_pen_and_reference_stand_side_by_side(shown: "Page") -> None:
    percents = {name: f"{FINDINGS.index(name)} %" for name in FINDINGS}
    second = {row[0]: row[1:] for row in rows_of(shown, 1)}
    assert second["cardiomegaly"] == [f"{percents['cardiomegaly']} decided", "present", "present", "agreed"]
    assert second["edema"] == [f"{percents['edema']} decided", "not mentioned", "present", "missed by the pen"]
    third = {row[0]: row[1:] for row in rows_of(shown, 2)}
    assert third["pneumothorax"] == [
        f"{percents['pneumothorax']} not decided",
        "present",
        "not mentioned",
        "invented by the pen",
    ]
    assert third["pleural effusion"][-1] == "missed by the eye"


def test_the_page_says_whether_the_report_obeys_and_what_is_not_compared(shown: "Page") -> None:
    notes = shown.run("[...document.querySelectorAll('.note')].map((each) => each.textContent)")
    assert notes[0] == "The report says exactly what the image head decided."
    assert "edema (decided, not written)" in notes[1] and "size, side and place are not compared" in notes[1]
    assert "pneumothorax (written, not decided)" in notes[2] and "not compared" not in notes[2]
    counts = shown.run("document.querySelector('.count').textContent")
    assert "2 missed (1 by the eye, 1 by the pen), 1 invented (0 by the eye, 1 by the pen)" in counts
    choose(shown, kind="pen")
    assert titles(shown) == [SECOND, THIRD]


def test_every_study_lists_its_likeliest_findings(shown: "Page") -> None:
    assert [row[0] for row in rows_of(shown, 0)][:3] == list(FINDINGS[:-4:-1])


def test_scores_name_the_studies_they_are_of(shown: "Page") -> None:
    assert (
        shown.run("document.querySelector('.scored').textContent") == "Scores of 3 of the 300 studies of the test split"
    )
    assert shown.run("document.querySelector('.measures').innerText").startswith("this study alone:")


def test_words_that_differ_have_no_colour_of_a_missed_or_invented_finding(shown: "Page") -> None:
    colour = "(what) => getComputedStyle(document.querySelector(what)).backgroundColor"
    marks = [shown.run(f"({colour})('.{report} mark')") for report in ("reference", "candidate")]
    chips = [shown.run(f"({colour})('.chip.{kind}')") for kind in ("agreed", "missed", "invented")]
    assert marks[0] == marks[1] and marks[0] not in chips and len(set(chips)) == 3


def test_both_films_stand_side_by_side(shown: "Page") -> None:
    films = "[...document.querySelectorAll('.study')[1].querySelectorAll('.film')]"
    for width in (390, 1400):
        shown.resize(width, 844, is_phone=width < 700)
        frontal, lateral = shown.run(f"{films}.map((each) => each.getBoundingClientRect().toJSON())")
        assert frontal["top"] == lateral["top"] and frontal["width"] == lateral["width"]
        assert frontal["right"] < lateral["left"]


def test_a_model_that_decides_nothing_first_has_no_eye_to_blame(
    browser: "Page", small_page: str, tmp_path: Path
) -> None:
    undecided = re.sub(r'"decided":\[[\d,]*\]', '"decided":null', small_page)
    (tmp_path / "gallery.html").write_text(undecided, "utf-8", newline="\n")
    browser.open(tmp_path / "gallery.html")
    assert browser.problems == []
    assert browser.run("document.querySelector('[value=pen]')") is None
    assert "by the" not in browser.run("document.querySelector('.count').textContent + main.textContent")


def test_filters_and_search_leave_what_matches(shown: "Page") -> None:
    choose(shown, kind="invented")
    assert titles(shown) == [THIRD]
    choose(shown, kind="", finding=str(FINDINGS.index("edema")))
    assert titles(shown) == [SECOND]
    choose(shown, kind="agreed")
    assert titles(shown) == [] and shown.run("document.querySelector('.empty').hidden") is False
    choose(shown, kind="", finding="", search="CLEAR lungs")
    assert titles(shown) == [FIRST]
    assert shown.run("document.querySelector('.count').textContent").startswith("1 of 3 studies")
    shown.run("document.querySelector('.toolbar button').click()")
    assert titles(shown) == [FIRST, SECOND, THIRD]


def test_studies_are_sorted_by_what_went_wrong(shown: "Page") -> None:
    choose(shown, sort="bleu_4")
    assert titles(shown) == [THIRD, SECOND, FIRST]
    choose(shown, sort="missed")
    assert titles(shown) == [SECOND, THIRD, FIRST]
    choose(shown, sort="invented")
    assert titles(shown) == [THIRD, FIRST, SECOND]


def test_keys_move_search_and_clear(shown: "Page") -> None:
    focused = []
    for key in ("j", "j", "ArrowRight", "j", "k", "ArrowLeft"):
        shown.press(key)
        focused.append(shown.run(FOCUSED))
    assert focused == [FIRST, SECOND, THIRD, THIRD, SECOND, FIRST]
    shown.press("/")
    assert shown.run(FOCUSED) == "search"
    for letter in "edema":
        shown.press(letter)
    assert titles(shown) == [SECOND]
    shown.press("Escape")
    assert titles(shown) == [FIRST, SECOND, THIRD]


def test_a_region_is_kept_by_its_number_and_let_go_by_escape(shown: "Page") -> None:
    shown.press("j")
    shown.press("3")
    assert shown.run(REGION_SHOWN) == REGIONS[2]
    assert shown.run("document.querySelector('.regions [aria-pressed=true]').textContent") == REGIONS[2]
    assert REGIONS[2] in shown.run("document.querySelector('figcaption').textContent")
    shown.press("Escape")
    assert shown.run(REGION_SHOWN) == "" and shown.run(FOCUSED) == FIRST


def test_tab_reaches_the_regions_shows_where_it_is_and_enter_keeps_them(shown: "Page") -> None:
    shown.run("document.querySelector('.study').focus()")
    shown.press("Tab")
    assert shown.run(REGION_SHOWN) == REGIONS[0]
    assert shown.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    shown.press("Enter")
    shown.press("Tab")
    assert shown.run(REGION_SHOWN) == REGIONS[1]  # for as long as it is looked at
    shown.run("document.activeElement.blur()")
    assert shown.run(REGION_SHOWN) == REGIONS[0]


def test_pointing_at_a_region_shows_where_it_looked(shown: "Page") -> None:
    drawn = """(() => {
        const canvas = document.querySelector(".study canvas");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return canvas.hidden ? 0 : pixels.reduce((most, value, at) => at % 4 === 3 ? Math.max(most, value) : most, 0);
    })()"""
    assert shown.run(drawn) == 0
    shown.point_at(".study .regions button:nth-child(2)")
    assert shown.run(REGION_SHOWN) == REGIONS[1] and shown.run(drawn) > 0
    shown.point_at(".study h2")
    assert shown.run(REGION_SHOWN) == "" and shown.run(drawn) == 0
