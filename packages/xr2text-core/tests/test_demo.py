"""The page answers films on this computer only: report, findings, attention; a corrected finding changes the report."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xr2text_core import demo
from xr2text_core.drawing.names import draw_image
from xr2text_core.inference.demo.answer import corrections_of
from xr2text_core.report.labeler import label_report
from xr2text_core.report.vocabulary import FINDINGS, NOT_A_DEVICE, REGIONS
from xr2text_core.settings.arguments import parse_arguments, settings_of
from xr2text_core.training.trainer import Trainer

CHECKPOINT = "checkpoints/best_model.pt"
FLAGS = "--num-studies 24 --val-studies 4 --image-size 64 --epochs 1 --max-tokens 20 --views all"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint that was trained for a moment, and films."""
    folder = tmp_path_factory.mktemp("run")
    assert Trainer(settings_of(parse_arguments([*FLAGS.split(), "--out", str(folder)]))).fit() == 0
    for number, ending in enumerate(("png", "jpg")):
        Image.fromarray(draw_image(f"phantom:5/{number}", 128)).save(folder / f"film.{ending}")
    (folder / "no film.png").write_text("no film")
    return folder


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(run / "uploads"))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("GRADIO_ALLOWED_PATHS", str(run))
        patch.setenv("GRADIO_SHARE", "True")
        patch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        from xr2text_core.inference.demo.page import demo_page, open_page
        from xr2text_core.inference.trained import load_model

        page = demo_page(load_model(run / CHECKPOINT, "cpu"), "best_model.pt")
        try:
            yield open_page(page, str(run / "uploads"))
            assert page.share_url is None
        finally:
            page.close()


@pytest.fixture
def client(address: str, tmp_path: Path) -> Any:
    from gradio_client import Client

    return Client(address, verbose=False, download_files=tmp_path)


def file(path: Path) -> Any:
    from gradio_client import handle_file

    return handle_file(path)


def read(client: Any, *films: Path) -> tuple[str, str, Any, dict[str, Any], list[dict[str, str]]]:
    """Message, report, film, findings and attention, as the page shows them."""
    frontal, lateral = [*map(file, films), None][:2]
    return client.predict(frontal, lateral, api_name="/read")


def correct(client: Any, film: Path, ticked: list[str]) -> tuple[str, str]:
    return client.predict(file(film), None, ticked, api_name="/correct")


def test_corrections_are_where_a_person_differs_from_the_model() -> None:
    assert corrections_of({"edema", "fracture"}, ["fracture", "pneumonia"]) == {"edema": False, "pneumonia": True}
    assert corrections_of({"edema"}, ["edema"]) == {}


def test_a_film_gets_report_findings_with_probability_and_a_picture_of_each_region(client: Any, run: Path) -> None:
    message, report, film, findings, attention = read(client, run / "film.png")
    assert re.search(r"film\.png: read in [\d.]+ s", message)
    assert label_report(report).present == set(findings["value"])
    assert {finding for _, finding in findings["choices"]} == set(FINDINGS)
    probabilities = [int(re.fullmatch(r".+ (\d+)%", label)[1]) for label, _ in findings["choices"]]  # type: ignore[index]
    assert probabilities == sorted(probabilities, reverse=True)
    assert [each["caption"] for each in attention] == list(REGIONS)
    pixels = [np.asarray(Image.open(path)) for path in (film, *(each["image"] for each in attention))]
    assert len({each.tobytes() for each in pixels}) == 1 + len(REGIONS)


def test_jpeg_dicom_and_two_films_are_read_too(client: Any, run: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    assert pydicom
    dicom = Path(get_testdata_file("MR_small.dcm"))
    for films in ([run / "film.jpg"], [dicom], [run / "film.png", run / "film.jpg"]):
        message, report, *_ = read(client, *films)
        assert report, message
        assert all(film.name in message for film in films)


def test_a_changed_tick_changes_what_the_report_says(client: Any, run: Path) -> None:
    ticked = read(client, run / "film.png")[3]["value"]
    unticked = next(finding for finding in FINDINGS if finding not in ticked)
    for wanted, told in (
        (ticked[1:], f"Corrected by hand: {ticked[0]} absent"),
        (ticked[:1], f"{ticked[1]} absent"),
        (ticked, "As the model read it"),
    ):
        message, report = correct(client, run / "film.png", wanted)
        assert label_report(report).present == set(wanted)
        assert told in message
    message, report = correct(client, run / "film.png", [*ticked, unticked])
    assert f"Corrected by hand: {unticked} present" in message
    is_said = unticked in label_report(report).present
    assert is_said != (f"The training reports have no words for {unticked}" in message)


def test_an_unreadable_film_is_named_without_its_folder_and_leaves_no_report_of_another(client: Any, run: Path) -> None:
    assert read(client, run / "film.png")[1]
    message, report, film, findings, attention = read(client, run / "no film.png")
    assert "no film.png: not an image" in message
    assert str(run) not in message and "uploads" not in message
    assert (report, film, findings["choices"], attention) == ("", None, [], [])
    assert "Add the frontal film too" in client.predict(None, file(run / "film.png"), api_name="/read")[0]


def test_a_model_without_a_study_head_is_read_but_not_corrected(run: Path) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    from dataclasses import replace

    from xr2text_core.inference.demo.page import _read
    from xr2text_core.inference.trained import load_model

    trained = replace(load_model(run / CHECKPOINT, "cpu"), composer=None)
    trained.model.encoder.study = None
    *_, findings, attention, decided = _read(trained, str(run / "film.png"), None)
    assert not findings.interactive
    assert decided == frozenset()
    assert len(findings.choices) == len(FINDINGS)
    assert len(attention) == len(REGIONS)


def test_the_page_serves_this_computer_and_no_file_of_it(address: str, run: Path) -> None:
    httpx = pytest.importorskip("httpx")

    assert address.startswith("http://127.0.0.1:")
    config = httpx.get(f"{address}config").json()
    assert not config["analytics_enabled"]
    for path in (run / CHECKPOINT, run / "film.png", Path(__file__), Path("/etc/passwd")):
        assert httpx.get(f"{address}gradio_api/file={path}").status_code in (403, 404), path
    elsewhere = {"path": str(run / "film.png"), "meta": {"_type": "gradio.FileData"}}
    call = f"{address}gradio_api/call/read"
    answered = httpx.get(f"{call}/{httpx.post(call, json={'data': [elsewhere, None]}).json()['event_id']}", timeout=60)
    assert "event: error" in answered.text and "film.png: read" not in answered.text


def test_the_page_works_in_a_browser_at_both_widths_and_asks_nobody_else(
    address: str, run: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fcntl", reason="the driver of the browser is for POSIX")
    from chromium import chromium

    with chromium(tmp_path) as page:
        for width, is_phone in ((1400, False), (390, True)):
            page.resize(width, 900, is_phone)
            page.visit(address)
            page.wait_for("document.querySelector('input[type=file]') !== null")
            assert NOT_A_DEVICE in page.run("document.body.innerText")
            page.upload("input[type=file]", run / "film.png")
            page.wait_for(f"document.querySelectorAll('input[type=checkbox]').length === {len(FINDINGS)}")
            page.wait_for("document.querySelectorAll('#attention .grid-container img').length === 7")
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
            assert page.run("document.querySelector('textarea').value.length > 0")
            page.run("document.querySelector('input[type=checkbox]').click()")
            page.wait_for("document.body.innerText.includes('Corrected by hand')")
            assert {each for each in page.requests if not each.startswith((address, "data:", "blob:"))} == set()


@pytest.mark.slow
def test_the_command_deletes_what_was_uploaded_when_it_ends(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    from gradio_client import Client

    command = [sys.executable, "-m", "xr2text_core.demo", "--no-browser", "--device", "cpu"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HTTP_PROXY": "http://127.0.0.1:9"}  # nobody is there
    with subprocess.Popen(
        [*command, "--checkpoint", run / CHECKPOINT], env=environment, stdout=subprocess.PIPE
    ) as served:
        assert served.stdout is not None
        address = served.stdout.readline().decode().split()[0]
        assert NOT_A_DEVICE in served.stdout.readline().decode()
        read(Client(address, verbose=False), run / "film.png")
        assert list(tmp_path.rglob("film.png"))
        served.send_signal(signal.SIGTERM)
        assert served.wait(60) == 0
    assert list(tmp_path.glob("xr2text-demo-*")) == []


def test_what_is_missing_is_one_line_that_says_what_to_do(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xr2text_core.demo.find_spec", lambda name: None)
    assert demo.main([]) == 2
    assert 'pip install -c constraints.txt -e "packages/xr2text-core[demo]"' in capsys.readouterr().err
    monkeypatch.undo()
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    assert demo.main(["--checkpoint", str(tmp_path / "none.pt")]) == 2
    assert "error: --checkpoint " in capsys.readouterr().err
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")  # what the command sets does not reach the next test
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert demo.main(["--checkpoint", str(run / CHECKPOINT), "--no-browser", "--port", str(port)]) == 2
    assert f"error: --port {port} cannot be used: name another" in capsys.readouterr().err
    assert demo.main(["--checkpoint", str(run / CHECKPOINT), "--no-browser", "--port", "70000"]) == 2
    assert "error: --port 70000 cannot be used: name another" in capsys.readouterr().err
