"""A page in a real browser: Chromium without a window, which the DevTools protocol conducts through two pipes."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Debian's two packages of it.
PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe")
# In CI a browser is there, and a test that lacks it fails.
NEEDED = pytest.mark.skipif(
    PROGRAM is None and "CI" not in os.environ,
    reason="There is no Chromium here: apt-get install chromium-headless-shell",
)
# Modifiers of keys.
CONTROL, SHIFT = 2, 8


class Page:
    """A page that is open. `complaints` are errors and warnings of its console, and requests that lead elsewhere."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, os.fdopen(receive, "rb", buffering=0)
        self._buffer, self._number, self._session = b"", 0, ""
        self.complaints: list[str] = []
        self._own = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, file: Path, width: int = 1280, height: int = 1000) -> None:
        """Open a file in a window of this size, and wait until its script says that all is drawn."""
        self._own = ""
        self._go(file.as_uri(), file.as_uri(), width, height)
        drawn = "document.body?.dataset.drawn === 'yes' ? resolve() : setTimeout(look, 20)"
        limit = "setTimeout(() => reject(new Error('nothing was drawn within 60 s')), 60000)"
        self.value(f"new Promise((resolve, reject) => {{ {limit}; (function look() {{ {drawn} }})() }})")

    def visit(self, site: str, path: str, width: int = 1280, height: int = 1000) -> None:
        """Go to a page of a site, such as `http://127.0.0.1:8080`; what it asks of the same site is no complaint."""
        self._go(f"{site}/", f"{site}{path}", width, height)

    def _go(self, own: str, address: str, width: int, height: int) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        if own != self._own:
            self.complaints, self._own = [], own
        self._call("Page.navigate", url=address)

    def until(self, expression: str, seconds: float = 60) -> None:
        """Wait until an expression of JavaScript is true; what the page shows is in the error."""
        limit = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < limit, (expression, self.complaints, self.value("document.body.innerText"))
            time.sleep(0.2)

    def click(self, selector: str) -> None:
        """Wait for an element, and press and release the mouse in its middle."""
        found = f"document.querySelector({selector!r})"
        self.until(f"{found} !== null && !{found}.disabled && {found}.getBoundingClientRect().width > 0")
        x, y = self.value(
            f"(element => {{ element.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            "const box = element.getBoundingClientRect();"
            f"return [box.left + box.width / 2, box.top + box.height / 2] }})({found})"
        )
        self.point(x, y)
        for what in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=what, x=x, y=y, button="left", clickCount=1)

    def write(self, selector: str, text: str) -> None:
        """Click on a field and write into it."""
        self.click(selector)
        self._call("Input.insertText", text=text)

    def write_over(self, selector: str, text: str) -> None:
        """Click on an editor and write over all that it holds, and over the brackets that it adds by itself."""
        self.click(selector)
        self.press("a", ord("A"), CONTROL)
        self._call("Input.insertText", text=text)
        self.press("End", 35, CONTROL + SHIFT)
        self.press("Delete", 46)

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Press and release a key."""
        for what in ("rawKeyDown", "keyUp"):
            given = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            self._call("Input.dispatchKeyEvent", type=what, **given)

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives, when it is known."""
        answer = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place in the window, as a mouse does: from somewhere else."""
        for at in (x - 3, x):
            self._call("Input.dispatchMouseEvent", type="mouseMoved", x=at, y=y)

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write a picture of the page."""
        answer = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._notice(answer)

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            got = self._receive.read(1 << 20)
            assert got, "Chromium has ended"
            self._buffer += got
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _notice(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(given["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if given["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(given["args"]))
            case "Log.entryAdded" if given["entry"]["level"] in ("error", "warning"):
                self.complaints.append(str(given["entry"]))
            case "Network.requestWillBeSent":
                address = given["request"]["url"]
                # An address that ends with a slash is that of a site.
                inside = address.startswith(self._own) if self._own.endswith("/") else address == self._own
                if not inside and not address.startswith(("data:", "blob:")):
                    self.complaints.append(f"asks for {address}")


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start Chromium with an empty profile below a folder, and end it afterwards."""
    assert PROGRAM is not None
    commands, send = os.pipe()
    receive, answers = os.pipe()
    # Chromium reads commands from descriptor 3 and answers on 4.
    shell = ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "chromium", PROGRAM]
    log = (folder / "chromium.log").open("wb")
    process = subprocess.Popen(
        [*shell, *OPTIONS, f"--user-data-dir={folder / 'profile'}"],
        pass_fds=(commands, answers),
        stdout=log,
        stderr=log,
        env={**os.environ, "HOME": str(folder)},
    )
    os.close(commands)
    os.close(answers)
    try:
        yield Page(send, receive)
    finally:
        process.terminate()
        process.wait(120)
        os.close(send)
        log.close()
