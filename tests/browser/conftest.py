"""A dashboard of the built wheel beside a real site, and a real browser before it."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from free_port import free_port
from held_training import held_progress
from rabbitmq_management import Management
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from site_bridge import SiteBridge
from testbed import CHECKOUT, Testbed
from web import Browser, Dashboard

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium without a window: scripts/browser-env installs it."""
    assert CHROMIUM.exists(), "no browser: scripts/browser-env installs one"
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",  # it has none for root; it only ever sees our own pages
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield opened
    opened.quit()


@pytest.fixture(scope="session")
def house(testbed: Testbed) -> Iterator[SiteBridge]:
    """One site and its bridge for all stories."""
    folder = Path(tempfile.mkdtemp(prefix="browser-", dir=testbed.work_root))
    shutil.chown(folder, testbed.user)
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        bridge = SiteBridge(testbed, folder)
        stack.callback(Management(testbed.broker).delete_namespace, bridge.name)
        stack.callback(bridge.close)
        bridge.open()
        yield bridge


@pytest.fixture(scope="session")
def dashboard(testbed: Testbed, house: SiteBridge) -> Iterator[Dashboard]:
    """`hpc-bridge dashboard` with two workers, and the demo's jobs as examples."""
    code = house.folder / "digits"
    code.mkdir()
    for name in ("train.py", "classify.py"):
        shutil.copy(CHECKOUT / "examples" / "digits" / name, code)
    (code / "progress.py").write_text(held_progress(), encoding="utf-8")
    text = (CHECKOUT / "examples" / "digits" / "dashboard.json").read_text(encoding="utf-8")
    for name, value in (("@CODE@", code), ("@IMAGES@", testbed.images)):
        text = text.replace(name, str(value))
    examples = house.folder / "examples.json"
    examples.write_text(text, encoding="utf-8")
    board = house.folder / "board.sqlite"
    port = free_port()
    argv = house.command(
        *("dashboard", "--site", str(house.site_file), "--board", str(board)),
        *("--port", str(port), "--workers", "2", "--examples", str(examples)),
    )
    log = house.folder / "dashboard.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    served = Dashboard(address=f"http://127.0.0.1:{port}", board=board, process=process, log=log)
    try:
        served.wait_until_it_answers()
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture
def browser(driver: webdriver.Chrome, dashboard: Dashboard) -> Iterator[Browser]:
    """The browser before the dashboard; what its console says goes to the test's output."""
    yield Browser(driver, dashboard.address)
    sys.stdout.write(json.dumps(driver.get_log("browser"), indent=1))
