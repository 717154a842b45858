"""The dashboard as a person uses it: a real browser, two workers, a real site."""

import hashlib
import os
import signal

import pytest
from site_bridge import SiteBridge
from testbed import Testbed
from web import Browser, Dashboard, eventually

pytestmark = pytest.mark.browser


def test_a_training_is_submitted_watched_and_deployed(
    browser: Browser, dashboard: Dashboard, house: SiteBridge
) -> None:
    browser.open("/submit?example=0")
    browser.find("#f-name")
    params = "epochs: 400\nhidden_layers: [64]\nlearning_rate: 0.005\nheld_out: 0.25\nseed: 7"
    browser.write("#f-params", params)
    browser.sees("#h-nodes", "at most 2")
    browser.press("#submit-send")
    browser.sees("#job-status", "Running")
    job_id = browser.path.split("/")[2].partition("?")[0]
    # It grows while the job runs, page after page of it.
    eventually(
        lambda: len(browser.curve("#job-curve")) > 3,
        "the curve begins",
        lambda: browser.text("body"),
    )
    begun = len(browser.curve("#job-curve"))
    assert "Running" in browser.text("#job-status")
    house.let_go(job_id)
    eventually(lambda: len(browser.curve("#job-curve")) > begun, "the curve grows")
    browser.sees("#job-log", "epoch")
    browser.reload()
    browser.sees("#job-status", "Complete")
    eventually(lambda: len(browser.curve("#job-curve")) == 400, "the curve is whole")
    losses = browser.curve("#job-curve")
    assert losses[-1] < losses[0] / 10
    browser.sees(
        "#job-timeline", "The bridge has the job", "In Slurm's queue", "Started", "Finished"
    )
    browser.sees("#job-log", "accuracy")
    browser.sees("#job-request", "learning_rate", "0.005", "/mnt/train.py")
    browser.sees("#job-artifacts", "model.pickle", "training.json")
    model = dashboard.get(f"/jobs/{job_id}/artifacts/model.pickle")
    left = (house.folder / job_id / "artifacts" / "model.pickle").read_bytes()
    assert model is not None
    assert hashlib.sha256(model).digest() == hashlib.sha256(left).digest()
    browser.open("/submit?example=1")
    browser.sees("body", "Model of")
    eventually(
        lambda: job_id in str(browser.find("#f-mounts").get_attribute("value")),
        "the form takes the model of the training",
    )
    browser.press("#submit-send")
    browser.sees("#job-status", "Complete")
    browser.sees("#job-log", "held-out images classified rightly")


def test_a_running_job_is_stopped_from_its_page(browser: Browser, house: SiteBridge) -> None:
    job_id = house.submit(house.job("sleep", "300", name="a long one"))
    browser.open(f"/jobs/{job_id}?sent_to={house.name}")
    browser.sees("#job-status", "Running")
    browser.press("#job-stop button, #job-top .danger")
    browser.agree()
    browser.sees("#job-status", "Terminated", "Stopped after")


def test_a_failed_job_explains_itself_and_is_run_again(browser: Browser, house: SiteBridge) -> None:
    job_id = house.run("sh", "-c", "echo no such scan >&2; exit 7", name="a failing one")
    browser.open(f"/jobs/{job_id}")
    browser.sees("#job-status", "Failed", "The program ended with an error", "exit")
    browser.sees("#job-why", "no such scan", "/stderr")
    browser.press("input[value='stderr']")
    browser.sees("#job-log", "no such scan")
    browser.press("#job-top .ways a")
    browser.find("#f-name")
    assert browser.find("#f-name").get_attribute("value") == "a failing one"
    browser.write("#f-command", '["echo", "found"]')
    browser.press("#submit-send")
    browser.sees("#job-status", "Complete")
    assert job_id not in browser.path


def test_a_sweep_shows_its_tasks_and_each_task_leads_back(
    browser: Browser, house: SiteBridge
) -> None:
    sweep = house.submit(
        house.job(
            *("sh", "-c", 'test "$BRIDGE_SWEEP_INDEX" != 1'),
            name="three rates",
            sweep={"grid": {"rate": [0.25, 0.5, 0.75]}},
        )
    )
    browser.open(f"/jobs/{sweep}?sent_to={house.name}")
    browser.sees("#job-tasks", "3 tasks: 2 complete, 1 failed", "0.25", "0.5", "0.75")
    browser.sees("#job-status", "Not all of its tasks have finished")
    browser.press("#job-tasks tbody tr:nth-child(2) a")
    browser.sees("#job-status", "Failed", "The program ended with an error")
    browser.sees("#job-why", "It wrote no errors")
    browser.press("#job-top .crumbs a:nth-of-type(2)")
    browser.sees("#job-tasks", "3 tasks")


def test_what_is_wrong_with_a_form_is_told_at_its_fields(
    browser: Browser, house: SiteBridge
) -> None:
    known = len(house.deliveries())
    browser.open("/submit?example=0")
    browser.sees("#h-nodes", "at most 2")
    for field, text in (("name", ""), ("nodes", "99"), ("walltime", "soon"), ("params", "a: [1")):
        browser.write(f"#f-{field}", text)
    browser.press("#submit-send")
    browser.sees("#submit-problems", "The job was not sent", "Name", "Nodes", "Time limit")
    browser.sees("#e-nodes", "at most 2 nodes (found 99)")
    browser.sees("#e-walltime", "HH:MM:SS")
    browser.sees("#e-params", "line 1")
    assert browser.runs("return document.activeElement.id") == "submit-problems"
    assert len(house.deliveries()) == known


def test_the_table_is_narrowed_and_its_address_says_so(browser: Browser, house: SiteBridge) -> None:
    for number in range(3):
        house.submit(house.job("true", name=f"narrow {number}"))
    house.run("false", name="narrow but failing")
    browser.open("/?text=narrow")
    browser.sees("#jobs-pager", "of 4 jobs")
    browser.press("[id*='jobs-state'][id*='failed']")
    browser.sees("#jobs-pager", "1\N{EN DASH}1 of 1 job")
    browser.sees("#jobs-table", "narrow but failing")
    eventually(lambda: "state=failed" in browser.path, "the address says so")
    browser.reload()
    browser.sees("#jobs-pager", "1\N{EN DASH}1 of 1 job")
    browser.write("#jobs-text", "nothing like it")
    browser.sees("#jobs-table", "No job fits")


def test_all_goes_on_when_a_worker_dies_the_board_is_deleted_and_the_broker_restarts(
    browser: Browser, dashboard: Dashboard, house: SiteBridge, testbed: Testbed
) -> None:
    before = house.run("true", name="before all that")
    browser.open("/?text=before+all+that")
    browser.sees("#jobs-table", "before all that", "Complete")
    workers = dashboard.workers()
    assert len(workers) == 2
    os.kill(min(workers), signal.SIGKILL)
    eventually(
        lambda: len(dashboard.workers() - {min(workers)}) == 2, "there are two workers again"
    )
    for path in dashboard.board.parent.glob("board.sqlite*"):
        path.unlink()
    testbed.stop("rabbitmq")
    try:
        browser.open("/sites")
        browser.sees("#sites-shown", "The broker cannot be reached")
    finally:
        testbed.start("rabbitmq")
    browser.sees("#sites-shown", house.name, "there", "Longest time")
    browser.open("/?text=before+all+that")
    browser.sees("#jobs-table", "before all that", "Complete")
    browser.open(f"/jobs/{before}")
    browser.sees("#job-status", "Complete")
    after = house.run("true", name="after all that")
    browser.open(f"/jobs/{after}")
    browser.sees("#job-status", "Complete")


def test_what_is_not_there_is_said(browser: Browser) -> None:
    browser.open("/jobs/0b0f3f1e-4f0e-4f0e-9f5e-0d3d8f0c9a11")
    browser.sees("main", "No such job")
    browser.open("/nowhere")
    browser.sees("main", "There is no such page")


def test_the_pages_are_used_without_a_mouse(browser: Browser) -> None:
    browser.open("/")
    browser.find("main h1")
    first = browser.runs(
        "const it = document.querySelector('a[href], button, input');"
        "it.focus(); return it.textContent"
    )
    assert first == "Skip to the page"
    unlabelled = browser.runs(
        "return [...document.querySelectorAll('input, textarea')].filter("
        "it => !it.labels.length && !it.getAttribute('aria-label') && !it.ariaHidden"
        ").map(it => it.outerHTML)"
    )
    assert unlabelled == []
