"""Drives a Chromium of this machine through its debugging pipe, for tests that need a real browser. POSIX only."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 60.0
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
KEYS = {"Escape": 27, "Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowLeft": 37}

# The browser expects its commands at 3 and gives its answers at 4.
CONNECT = """import os, sys
for end, number in zip(map(int, sys.argv[1:3]), (3, 4)):
    os.dup2(end, number)
    os.close(end)
os.execv(sys.argv[3], sys.argv[3:])"""


class NoBrowser(pytest.skip.Exception):
    """There is no Chromium, or it does not start or answer here: no fault of the page, so the test is skipped."""


class Page:
    """One tab; `problems` are its exceptions, console errors and refusals, `requests` the addresses it asked for."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to_browser, self._from_browser = to_browser, from_browser
        self._unread, self._number, self._session = b"", 0, ""
        self._events: list[str] = []
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def open(self, path: Path) -> None:
        self.visit(path.as_uri())

    def visit(self, address: str) -> None:
        for notes in (self._events, self.problems, self.requests):
            notes.clear()
        answer = self.call("Page.navigate", url=address)
        if "errorText" in answer:  # a packaged browser that may not read this folder
            raise NoBrowser(f"it cannot open {address}: {answer['errorText']}")
        while "Page.loadEventFired" not in self._events:
            self._read()

    def resize(self, width: int, height: int, is_phone: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )

    def prefer(self, **features: str) -> None:
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str, **more: Any) -> None:
        text = {"Enter": "\r"}.get(key, "" if key in KEYS else key)
        code = KEYS.get(key, ord(key[0].upper()))
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text, **more)

    def point_at(self, selector: str) -> None:
        x, y = self.run(
            f"(() => {{ const box = document.querySelector({selector!r}).getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def upload(self, selector: str, path: Path) -> None:
        """Give a file to the first file input that the selector finds."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def wait_for(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.run(script):
            assert time.monotonic() < deadline, f"not in {PATIENCE_S:.0f} s: {script}"
            time.sleep(0.1)

    def picture(self, path: Path, is_whole: bool = False) -> None:
        """What is seen as PNG; `is_whole`: the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        try:
            os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise NoBrowser("it has ended") from error
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise NoBrowser(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        """The next message; events are taken note of."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\0" not in self._unread:
            is_ready, _, _ = select.select([self._from_browser], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(self._from_browser, 1 << 16) if is_ready else b""
            if not part:
                raise NoBrowser("it has ended" if is_ready else f"no answer in {PATIENCE_S:.0f} s")
            self._unread += part
        line, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(str(params["entry"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A page in a fresh browser whose profile lies in `folder`. Raises NoBrowser."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise NoBrowser(f"none of {', '.join(NAMES)} is installed")
    (to_read, to_write), (from_read, from_write) = _pipe(), _pipe()
    command = [program, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    browser = subprocess.Popen(
        [sys.executable, "-c", CONNECT, str(to_read), str(from_write), *command],
        pass_fds=(to_read, from_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Page(to_write, from_read)
    finally:
        browser.kill()
        browser.wait()
        os.close(to_write)
        os.close(from_read)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are clear of 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
