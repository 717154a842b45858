"""The code of docs/front-end.md as it stands there, before a real browser and a real site."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_port import free_port
from selenium import webdriver
from site_bridge import UNTIL_LET_GO, SiteBridge
from testbed import CHECKOUT, Testbed
from web import Browser, Dashboard, eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def app(testbed: Testbed, house: SiteBridge, tmp_path: Path) -> Iterator[Dashboard]:
    """The page's `app.py` under its own line of gunicorn."""
    text = (CHECKOUT / "docs" / "front-end.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    code = "\n\n".join(blocks)
    # What is learned takes as long as the browser does.
    learning = "sleep 0.5  # learning"
    assert learning in code
    code = code.replace(learning, f"[ $epoch != 5 ] || {UNTIL_LET_GO}")
    (tmp_path / "app.py").write_text(code, encoding="utf-8")
    (line,) = re.findall(r"^gunicorn (--.*)$", text, re.MULTILINE)
    port = free_port()
    broker = house.settings.broker
    address = f"{broker.host}:{broker.port}/{broker.virtual_host}"
    log = tmp_path / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("gunicorn")),
                *line.replace("8050", str(port)).split(),
            ],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "BROKER_URL": f"amqp://{broker.user}:{broker.password}@{address}",
                "NAMESPACE": broker.namespace,
                "SITE": house.name,
                "IMAGE": f"{testbed.images}/busybox.sif",
                "BOARD": str(tmp_path / "board.sqlite"),
            },
        )
    served = Dashboard(
        address=f"http://127.0.0.1:{port}",
        board=tmp_path / "board.sqlite",
        process=process,
        log=log,
    )
    try:
        served.wait_until_it_answers()
        yield served
    finally:
        process.terminate()
        process.wait(30)
        sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))


def test_the_page_s_own_code_draws_a_loss_curve_while_it_falls(
    app: Dashboard, driver: webdriver.Chrome, house: SiteBridge
) -> None:
    browser = Browser(driver, app.address)
    browser.open("/")
    browser.sees("#state", "Nothing was started yet.")
    browser.press("#train")
    browser.sees("#state", "running")
    eventually(lambda: 0 < len(browser.curve("#curve")) < 10, "the curve begins before its end")
    started = [it.data.job_id for it in house.everything() if it.data.event == "started"]
    house.let_go(str(started[-1]))
    browser.sees("#state", "complete")
    eventually(lambda: len(browser.curve("#curve")) == 10, "the curve is whole")
    losses = browser.curve("#curve")
    assert losses == sorted(losses, reverse=True)
    browser.press("#train")
    browser.sees("#state", "running")
    browser.press("#stop")
    browser.sees("#state", "terminated")
