"""A real Chromium, driven over chromedriver's HTTP protocol: https://www.w3.org/TR/webdriver2."""

import base64
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
LOGS = {"browser": "ALL", "performance": "ALL"}
PHONE, TABLET, DESK = (360, 740), (820, 1100), (1400, 900)
STILL = """
const [selector, done] = arguments, place = document.querySelector(selector);
place.scrollIntoView({block: 'center', behavior: 'instant'});
const look = last => requestAnimationFrame(() => {
  const {x, y} = place.getBoundingClientRect();
  last && last[0] === x && last[1] === y ? done() : look([x, y]);
});
look(null);
"""  # sections out of sight are laid out when they come into it, which moves what lies below


def missing() -> str:
    """Which program the browser tests want and do not find; ``""`` if all are there."""
    chromium = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")))
    lacking = [name for name, there in (("chromium", chromium), ("chromedriver", _driver())) if not there]
    return " and ".join(lacking)


def _driver() -> str | None:
    return shutil.which("chromedriver")


class Browser:
    """One window: open a page, look at it, press its keys."""

    def __init__(self, address: str) -> None:
        self.http = requests.Session()
        self.http.trust_env = False  # a proxy is not asked for what runs on this machine
        options = {"goog:loggingPrefs": LOGS, "goog:chromeOptions": {"args": FLAGS}}
        wanted = {"capabilities": {"alwaysMatch": options}}
        self.session = f"{address}/session/{self._post(f'{address}/session', wanted)['sessionId']}"

    def _post(self, url: str, body: dict) -> Any:
        answer = self.http.post(url, json=body, timeout=60)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def do(self, what: str, **body: Any) -> Any:
        """One WebDriver command of this session."""
        return self._post(f"{self.session}/{what}", body)

    def open(self, page: Path) -> None:
        """Load a file, after forgetting what was logged before."""
        self.logged("browser")
        self.logged("performance")
        self.do("url", url=page.as_uri())
        # A large page can still be read when a busy machine's driver says that it is there.
        loaded = "const done = arguments[0]; const ready = () => done();"
        loaded += "document.readyState === 'complete' ? ready() : addEventListener('load', ready);"
        self.do("execute/async", script=loaded, args=[])

    def run(self, script: str, *values: Any) -> Any:
        """Value of a function body in the page."""
        return self.do("execute/sync", script=script, args=list(values))

    def devtools(self, command: str, **values: Any) -> Any:
        """A command of the DevTools protocol."""
        return self.do("goog/cdp/execute", cmd=command, params=values)

    def logged(self, kind: str) -> list[dict]:
        """What was logged (``browser`` or ``performance``) since the last call."""
        return self.do("se/log", type=kind)

    def find(self, selector: str) -> str:
        """Id of the first element that a CSS selector finds."""
        return next(iter(self.do("element", using="css selector", value=selector).values()))

    def click(self, selector: str) -> None:
        """Scroll there, wait until the page stands still, and click: what is covered cannot be clicked."""
        self.do("execute/async", script=STILL, args=[selector])
        self.do(f"element/{self.find(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Send keys to an element."""
        self.do(f"element/{self.find(selector)}/value", text=text)

    def media(self, *, scheme: str = "light", medium: str = "screen") -> None:
        """Show the page in light or dark, on a screen or on paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", media=medium, features=features)

    def size(self, width: int, height: int) -> None:
        """Size of the window as the page sees it."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def picture(self, path: Path) -> None:
        """Save what is in the window as PNG."""
        path.write_bytes(base64.b64decode(self.http.get(f"{self.session}/screenshot").json()["value"]))

    def quit(self) -> None:
        """Close the window."""
        self.http.delete(self.session, timeout=60)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for as long as the block lasts; chromedriver chooses a free port itself."""
    driver = subprocess.Popen([_driver(), "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        browser = Browser(f"http://127.0.0.1:{_port(driver)}")
        try:
            yield browser
        finally:
            browser.quit()
    finally:
        driver.terminate()
        driver.wait(timeout=30)
        driver.stdout.close()


def _port(driver: subprocess.Popen) -> int:
    until = time.monotonic() + 60
    for line in driver.stdout:
        if "started successfully on port" in line:
            return int(line.rstrip().rstrip(".").rsplit(" ", 1)[1])
        assert time.monotonic() < until
    raise AssertionError("chromedriver ended before it began")
