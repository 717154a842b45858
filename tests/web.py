"""A browser that waits for what is to come, and the dashboard that it looks at."""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A running `hpc-bridge dashboard`."""

    address: str
    board: Path
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_it_answers(self) -> None:
        eventually(lambda: self.get("/_dash-layout") is not None, "the dashboard answers")

    def get(self, path: str) -> bytes | None:
        """What is at an address; None while nobody answers."""
        assert self.process.poll() is None, "the dashboard has ended"
        try:
            with urllib.request.urlopen(self.address + path, timeout=60) as answer:  # noqa: S310
                body: bytes = answer.read()
                return body
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def workers(self) -> set[int]:
        """The processes that answer."""
        found: set[int] = set()
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(it.split(":\t", 1) for it in status.read_text().splitlines())
            except (OSError, ValueError):
                continue
            if lines["PPid"] == str(self.process.pid):
                found.add(int(lines["Pid"]))
        return found


class Browser:
    """What a person does and sees."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self._driver = driver
        self._address = address

    def open(self, path: str) -> None:
        self._driver.get(self._address + path)

    def reload(self) -> None:
        self._driver.refresh()

    @property
    def path(self) -> str:
        """The address without the host."""
        return self._driver.current_url.removeprefix(self._address)

    def text(self, css: str) -> str:
        """What is to be read there now; empty where there is nothing."""
        try:
            return self._driver.find_element(By.CSS_SELECTOR, css).text
        except (NoSuchElementException, StaleElementReferenceException):
            return ""

    def sees(self, css: str, *texts: str) -> None:
        """Wait until all of these texts are to be read there."""
        eventually(
            lambda: all(it in self.text(css) for it in texts),
            f"{css} says {texts}",
            lambda: f"{self.path}: {self.text('body')}",
        )

    def find(self, css: str) -> WebElement:
        """Wait until it is there."""
        return eventually(lambda: self._visible(css), f"{css} is there", lambda: self.text("body"))

    def press(self, css: str) -> None:
        """Click, also where the page is drawn anew just then."""

        def press() -> bool:
            try:
                self.find(css).click()
            except WebDriverException:
                return False
            return True

        eventually(press, f"{css} can be pressed", lambda: self.text("body"))

    def write(self, css: str, text: str) -> None:
        """Replace what stands in a field."""
        field = self.find(css)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        field.send_keys(text)
        field.send_keys(Keys.TAB)

    def agree(self) -> None:
        """Say yes to a question."""

        def agree() -> bool:
            try:
                self._driver.switch_to.alert.accept()
            except WebDriverException:
                return False
            return True

        eventually(agree, "a question is asked")

    def runs(self, script: str) -> Any:
        """What a script on the page returns."""
        return self._driver.execute_script(script)

    def curve(self, css: str) -> list[float]:
        """The heights of the first line in a figure; empty while there is none."""
        return list(
            self.runs(
                f"const it = document.querySelector('{css} .js-plotly-plot');"
                "return it && it.data && it.data[0] ? Array.from(it.data[0].y) : []"
            )
        )

    def _visible(self, css: str) -> WebElement | None:
        try:
            found = self._driver.find_element(By.CSS_SELECTOR, css)
            return found if found.is_displayed() else None
        except (NoSuchElementException, StaleElementReferenceException):
            return None


def eventually(look: Callable[[], T | None], what: str, shown: Callable[[], str] = lambda: "") -> T:
    """What `look` finds in the end; AssertionError with what was shown otherwise."""
    ends = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < ends, f"it did not come about that {what}\n{shown()}"
        time.sleep(0.1)
    return found
