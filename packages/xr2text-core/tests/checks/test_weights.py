"""Weights are found in folders, in the hub's cache and on the network, and nothing is fetched."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from xr2text_core.checks import weights
from xr2text_core.checks.weights import CACHE, FOLDER, NETWORK, cached_folder, locate_decoder, locate_encoder
from xr2text_core.model.weights import WeightsError

ENCODER = "convnext_base.fb_in22k_ft_in1k_384"
DECODER = "GanjinZero/biobart-base"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing was fetched before, and nothing may be."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return cache


def fetch(cache: Path, repository: str, *names: str) -> Path:
    """What the hub's client leaves behind."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc", encoding="utf-8")
    for name in names:
        (snapshot / name).write_text("{}", encoding="utf-8")
    return snapshot


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], list[str]]]:
    """A hub on this computer that answers every question with one code; returns what it was asked."""
    asked: list[str] = []
    code = 200

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def answers(with_code: int) -> list[str]:
        nonlocal code
        code = with_code
        return asked

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(weights, "hf_hub_url", lambda repository, file: f"{url}/{repository}/{file}")
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_folder_with_weights_needs_no_hub(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18"}), encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    assert locate_encoder(str(tmp_path)) == FOLDER
    assert locate_decoder(str(tmp_path)) == FOLDER


def test_a_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"--encoder .*no config\.json.*--pretrained none"):
        locate_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"none of model\.safetensors, pytorch_model\.bin"):
        locate_decoder(str(tmp_path))


def test_what_was_fetched_once_is_found_without_a_network(empty_cache: Path) -> None:
    fetch(empty_cache, f"timm/{ENCODER}", "model.safetensors")
    snapshot = fetch(empty_cache, DECODER, "config.json", "pytorch_model.bin")
    assert (locate_encoder(ENCODER), locate_decoder(DECODER)) == (CACHE, CACHE)
    assert Path(cached_folder(DECODER)) == snapshot


def test_offline_the_error_names_the_ways_out() -> None:
    for locate, name, flag in ((locate_encoder, ENCODER, "--encoder"), (locate_decoder, DECODER, "--decoder")):
        with pytest.raises(WeightsError) as raised:
            locate(name)
        message = str(raised.value)
        assert message.startswith(f"{flag} {name}: not in the local cache")
        assert f"give {flag} a local folder" in message and "--pretrained none" in message


def test_a_reachable_hub_is_asked_for_a_head_only(hub: Callable[[int], list[str]]) -> None:
    asked = hub(200)
    assert (locate_encoder(ENCODER), locate_decoder(DECODER)) == (NETWORK, NETWORK)
    assert asked == [f"/timm/{ENCODER}/config.json", f"/{DECODER}/config.json"]


@pytest.mark.parametrize(("code", "reason"), [(404, "the hub has no such model"), (503, "the hub answers 503")])
def test_a_hub_that_refuses_is_quoted(hub: Callable[[int], list[str]], code: int, reason: str) -> None:
    hub(code)
    with pytest.raises(WeightsError, match=reason):
        locate_decoder(DECODER)


def test_a_hub_that_does_not_answer_is_named(hub: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "hf_hub_url", lambda *_: "http://127.0.0.1:1/nobody-listens-here")
    with pytest.raises(WeightsError, match="the hub cannot be reached"):
        locate_decoder(DECODER)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_such_encoder", "no such model"),
        ("phantom", "the phantom's parts have no pretrained weights"),
        ("nf_resnet26", "timm has no pretrained weights of this name"),
    ],
)
def test_an_encoder_without_pretrained_weights_is_named(name: str, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        locate_encoder(name)


@pytest.mark.parametrize("name", ["a/b/c", "no such folder", r"C:\models\bart", "./models/bart"])
def test_what_is_neither_a_folder_nor_a_hub_name_is_named(name: str) -> None:
    with pytest.raises(WeightsError, match="no such folder, and not a valid hub name"):
        locate_decoder(name)
    assert cached_folder(name) == name
