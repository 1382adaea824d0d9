"""A headless Chromium, driven over a pipe by its own debugging protocol: no further package, no port, no network."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The browser reads its protocol from descriptor 3 and writes it to 4.
START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
HANGS = 600
"""Seconds after which a browser that says nothing counts as hanging; on a busy machine it may take a minute."""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, " ": 32}


def find_chromium() -> str | None:
    """The command of an installed Chromium or Chrome; ``None`` if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of one browser.

    Whatever it logs as an error, or throws, is kept in ``errors``; addresses on a network that it asked for, unless the
    page's policy stopped it, in ``asked``.
    """

    def __init__(self, command: str, profile: Path) -> None:
        their_input, self._write = os.pipe()
        self._read, their_output = os.pipe()
        options = ["--headless", "--remote-debugging-pipe", "--disable-gpu", f"--user-data-dir={profile}"]
        options += ["--no-first-run", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # root cannot have one
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(their_input), str(their_output), command, *options, "about:blank"],
            pass_fds=(their_input, their_output),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_input)
        os.close(their_output)
        self._number, self._rest, self._events, self._session = 0, b"", [], None
        self.errors: list[str] = []
        self.asked: dict[str, str] = {}
        page = next(one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._session = None
        self.send("Browser.close")
        self._process.wait(HANGS)
        os.close(self._write)
        os.close(self._read)

    def send(self, method: str, **parameters: Any) -> Any:
        """Calls a method of the protocol and returns its result. Raises `RuntimeError` with the browser's reason."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _receive(self, seconds: float = HANGS) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError(f"the browser has ended, or has said nothing for {seconds} s")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        name, told = message.get("method"), message.get("params", {})
        self._events.append(name)
        if name == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(told["exceptionDetails"]))
        elif name == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif name == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(told["args"]))
        elif name == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "data:")):
            self.asked[told["requestId"]] = told["request"]["url"]
        elif name == "Network.loadingFailed" and told.get("blockedReason") == "csp":
            self.asked.pop(told["requestId"], None)

    def open(self, path: Path) -> float:
        """Opens a file and waits until it has loaded. Returns the seconds until scripts had run."""
        self.errors.clear()
        self.asked.clear()
        self.visit(path.resolve().as_uri())
        return float(self.run("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart")) / 1e3

    def visit(self, url: str) -> None:
        """Goes to an address and waits until it has loaded."""
        self._events.clear()
        self.send("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._receive()

    def size(self, width: int, height: int, *, dark: bool = False, phone: bool = False, media: str = "screen") -> None:
        """Sets the window, what the reader prefers, and the medium."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def run(self, code: str) -> Any:
        """The value of an expression in the page, after what is going on in it has settled."""
        done = self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{code}: {json.dumps(done['exceptionDetails'])}")
        return done["result"].get("value")

    def click(self, selector: str) -> None:
        """Scrolls an element into view and clicks it with the mouse, where a reader would."""
        place = self.run(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            "element.scrollIntoView({block: 'center', inline: 'center'}); const line = element.getClientRects()[0];"
            "return [line.x + Math.min(line.width / 2, 200), line.y + line.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
        self.settle()

    def press(self, key: str, *, shift: bool = False) -> None:
        """Presses a key."""
        common = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
        self.send("Input.dispatchKeyEvent", type="keyDown", modifiers=8 if shift else 0, **common, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", modifiers=8 if shift else 0, **common)
        self.settle()

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        self.send("Input.insertText", text=text)
        self.settle()

    def settle(self) -> None:
        """Waits until what was started has been drawn."""
        self.run("new Promise(done => setTimeout(() => requestAnimationFrame(() => setTimeout(done))))")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Takes a screenshot, of the window or of the whole page."""
        self.settle()
        taken = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))
