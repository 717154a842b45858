"""The real Slurm in each way to it: refusals, outages, many jobs at once, odd ones."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import repeat

import pytest
from slurm_site import a_script, a_tag, eventually, in_queue
from slurm_ways import WAYS, scheduler_by
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.core.errors import (
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.job import SlurmId, SubmissionTag, task_slurm_id
from bridge.core.settings import SchedulerSettings
from bridge.ports import Scheduler

FOREVER = "sleep 300"
COMMANDS = WAYS[:2]
HASTY = SchedulerSettings(submit_timeout=timedelta(seconds=8))
DEBUG_JOBS_AT_MOST = 20
"""More than any site's `debug` QOS takes of one user; the testbed's takes a few."""


pytestmark = pytest.mark.testbed


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def slurm(way: str, testbed: Testbed) -> Iterator[Scheduler]:
    with scheduler_by(way, testbed) as scheduler:
        yield scheduler


@contextmanager
def away(testbed: Testbed, part: str) -> Iterator[None]:
    testbed.stop(part)
    try:
        yield
    finally:
        testbed.start(part)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--account=nobody", "Invalid account or account/partition combination specified"),
        ("--partition=nowhere", "Invalid partition name specified"),
        ("--qos=unheard-of", "Invalid qos specification"),
        ("--time=99-00:00:00", "Requested time limit is invalid"),
        ("--cpus-per-task=9999", "More processors requested than permitted"),
        ("--mem=9999G", "Requested node configuration is not available"),
        ("--constraint=gold", "Invalid feature specification"),
        ("--array=1-99999", "Invalid job array specification"),
    ],
)
def test_what_slurm_refuses_is_refused_in_its_own_words(
    slurm: Scheduler, option: str, words: str
) -> None:
    with pytest.raises(SubmissionRefusedError) as refusal:
        slurm.submit(a_script(a_tag(), FOREVER, *option.split()))
    assert words in str(refusal.value)


@pytest.mark.parametrize("way", COMMANDS, indirect=True)
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--time=soon", "Invalid --time specification"),
        ("--no-such-option", "unrecognized option '--no-such-option'"),
    ],
)
def test_what_sbatch_does_not_understand_is_refused_in_its_own_words(
    slurm: Scheduler, option: str, words: str
) -> None:
    with pytest.raises(SubmissionRefusedError) as refusal:
        slurm.submit(a_script(a_tag(), FOREVER, option))
    assert words in str(refusal.value)


@pytest.mark.parametrize("option", ["--time=soon", "--no-such-option"])
@pytest.mark.parametrize("way", ["through pyslurm"], indirect=True)
def test_what_pyslurm_is_not_told_is_refused_by_its_name(slurm: Scheduler, option: str) -> None:
    with pytest.raises(SubmissionRefusedError, match=f"{option}: .* pyslurm"):
        slurm.submit(a_script(a_tag(), FOREVER, option))


@pytest.mark.parametrize("script", ["", "hello\n", "#!/bin/sh\r\ntrue\r\n", "#!/bin/sh\ntrue \0\n"])
def test_what_is_no_script_is_refused(slurm: Scheduler, script: str) -> None:
    with pytest.raises(SubmissionRefusedError):
        slurm.submit(script)


@pytest.mark.parametrize("way", COMMANDS, indirect=True)
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", "Batch script is empty"),
        ("hello\n", "This does not look like a batch script"),
        ("#!/bin/sh\r\ntrue\r\n", "DOS line breaks"),
        ("#!/bin/sh\ntrue \0\n", "NULL character"),
    ],
)
def test_what_is_no_script_is_refused_in_sbatchs_own_words(
    slurm: Scheduler, script: str, words: str
) -> None:
    with pytest.raises(SubmissionRefusedError) as refusal:
        slurm.submit(script)
    assert words in str(refusal.value)


def test_a_limit_on_submitted_jobs_is_a_full_site(slurm: Scheduler) -> None:
    tag = a_tag()
    script = a_script(tag, FOREVER, "--qos=debug", "--time=00:01:00", "--hold")
    try:
        with pytest.raises(SiteFullError, match="QOSMaxSubmitJobPerUserLimit"):
            deque(map(slurm.submit, repeat(script, DEBUG_JOBS_AT_MOST)))
    finally:
        for row in slurm.queue():
            if row.tag == tag:
                slurm.cancel([(row.slurm_id, tag)])


def test_while_the_controller_is_away_nothing_is_known(testbed: Testbed, slurm: Scheduler) -> None:
    tag = a_tag()
    since = SystemClock().now()
    questions: tuple[Callable[[], object], ...] = (
        lambda: slurm.submit(a_script(tag, FOREVER)),
        slurm.queue,
        lambda: slurm.find([tag], since=since)[tag],
        lambda: slurm.cancel([(SlurmId("1"), tag)]),
    )
    with away(testbed, "slurmctld"), ThreadPoolExecutor() as pool:
        answers = [pool.submit(it) for it in questions]
        errors = [it.exception() for it in answers]
    assert [type(it) for it in errors] == [UnavailableError] * 4
    assert all("connect failure" in str(it) for it in errors)
    assert slurm.find([tag], since=since)[tag] == ()


def test_while_accounting_is_away_it_has_no_answer(testbed: Testbed, slurm: Scheduler) -> None:
    since = SystemClock().now()
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, FOREVER, "--hold"))
    try:
        with away(testbed, "slurmdbd"):
            with pytest.raises(UnavailableError, match="Problem talking to the database"):
                slurm.accounting([slurm_id], since=since)
            with pytest.raises(UnavailableError):
                slurm.find([a_tag()], since=since)
            assert slurm.find([tag], since=since)[tag] == (slurm_id,)
            assert in_queue(slurm, slurm_id, "PENDING")
    finally:
        slurm.cancel([(slurm_id, tag)])


def test_a_submission_whose_time_is_over_is_uncertain_and_found_by_its_tag(
    testbed: Testbed, way: str, slurm: Scheduler
) -> None:
    tag = a_tag()
    since = SystemClock().now()
    controller = int((testbed.folder / "slurm" / "run" / "slurmctld.pid").read_text("utf-8"))
    with scheduler_by(way, testbed, HASTY) as hasty:
        os.kill(controller, signal.SIGSTOP)
        try:
            with pytest.raises(SubmissionUncertainError):
                hasty.submit(a_script(tag, FOREVER, "--hold"))
        finally:
            os.kill(controller, signal.SIGCONT)
    # The request had reached the controller: nobody waits for its answer, and the job exists.
    (slurm_id,) = eventually(lambda: slurm.find([tag], since=since)[tag])
    slurm.cancel([(slurm_id, tag)])


def test_hundreds_of_jobs_are_seen_in_one_look(slurm: Scheduler) -> None:
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, FOREVER, "--hold", "--array=1-500"))
    try:
        seen = {it.slurm_id for it in slurm.queue() if it.tag == tag}
        assert seen == {f"{slurm_id}_{task}" for task in range(1, 501)}
    finally:
        slurm.cancel([(slurm_id, tag)])


def test_of_an_array_only_what_bears_the_tag_is_cancelled(slurm: Scheduler) -> None:
    tag = a_tag()
    array = slurm.submit(a_script(tag, FOREVER, "--hold", "--array=0-3"))
    one = task_slurm_id(array, 1)
    try:
        slurm.cancel([(one, a_tag())])
        slurm.cancel([(array, a_tag())])
        slurm.cancel([(one, tag)])
        left = {task_slurm_id(array, it) for it in (0, 2, 3)}
        eventually(lambda: waiting(slurm, tag) == left)
    finally:
        slurm.cancel([(array, tag)])
    eventually(lambda: not waiting(slurm, tag))


def waiting(slurm: Scheduler, tag: SubmissionTag) -> set[SlurmId]:
    return {it.slurm_id for it in slurm.queue() if it.tag == tag and it.word == "PENDING"}


def test_a_script_may_be_long(slurm: Scheduler) -> None:
    comment = "# " + "x" * 97 + "\n"
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, comment * 20_000 + "exit 0", "--hold"))
    slurm.cancel([(slurm_id, tag)])


def test_a_job_waits_for_the_one_that_it_depends_on(slurm: Scheduler) -> None:
    tag = a_tag()
    first = slurm.submit(a_script(tag, FOREVER, "--hold"))
    then = slurm.submit(a_script(tag, FOREVER, f"--dependency=afterok:{first}"))
    try:
        row = eventually(lambda: in_queue(slurm, then, "PENDING"))
        assert row.reason == "Dependency"
    finally:
        for slurm_id in (then, first):
            slurm.cancel([(slurm_id, tag)])


@pytest.mark.parametrize("odd", ["a b", "ü=|", "x\ty", "%j%u", "'\"$(id)"], ids=ascii)
def test_a_name_of_odd_characters_disturbs_no_others_row(slurm: Scheduler, odd: str) -> None:
    tag = a_tag()
    ours = slurm.submit(a_script(tag, FOREVER, "--hold"))
    theirs = slurm.submit(a_script(_quoted(odd), FOREVER, "--hold"))
    try:
        rows = {it.slurm_id: it for it in slurm.queue()}
        assert (rows[ours].tag, rows[ours].word) == (tag, "PENDING")
        assert theirs not in rows or rows[theirs].word == "PENDING"
    finally:
        slurm.cancel([(ours, tag)])
        slurm.cancel([(theirs, SubmissionTag(odd))])


def _quoted(name: str) -> str:
    """As an #SBATCH line has it."""
    return "'" + name.replace("'", "'\"'\"'") + "'"
