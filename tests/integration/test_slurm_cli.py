"""The real Slurm through its commands: refusals, outages, and many jobs at once."""

import os
import pwd
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import repeat

import pytest
from slurm_site import a_script, a_tag, command_line, eventually, in_queue
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.adapters.run_local import LocalRunner
from bridge.adapters.slurm.command_line import SlurmCommandLine
from bridge.core.errors import (
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.job import SlurmId
from bridge.core.settings import SchedulerSettings
from bridge.ports import Completed

FOREVER = "sleep 300"
DEBUG_JOBS_AT_MOST = 20
"""More than any site's `debug` QOS takes of one user; the testbed's takes a few."""


@pytest.fixture
def slurm(testbed: Testbed) -> SlurmCommandLine:
    return command_line(testbed)


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
        ("--nodes=99 --ntasks=99", "More processors requested than permitted"),
        ("--mem=9999G", "Requested node configuration is not available"),
        ("--constraint=gold", "Invalid feature specification"),
        ("--array=1-99999", "Invalid job array specification"),
        ("--time=soon", "Invalid --time specification"),
        ("--no-such-option", "unrecognized option '--no-such-option'"),
    ],
)
def test_what_slurm_refuses_is_refused_in_its_own_words(
    slurm: SlurmCommandLine, option: str, words: str
) -> None:
    with pytest.raises(SubmissionRefusedError) as refusal:
        slurm.submit(a_script(a_tag(), FOREVER, *option.split()))
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", "Batch script is empty"),
        ("hello\n", "This does not look like a batch script"),
        ("#!/bin/sh\r\ntrue\r\n", "DOS line breaks"),
        ("#!/bin/sh\ntrue \0\n", "NULL character"),
    ],
)
def test_what_is_no_script_is_refused(slurm: SlurmCommandLine, script: str, words: str) -> None:
    with pytest.raises(SubmissionRefusedError) as refusal:
        slurm.submit(script)
    assert words in str(refusal.value)


def test_a_limit_on_submitted_jobs_is_a_full_site(slurm: SlurmCommandLine) -> None:
    tag = a_tag()
    script = a_script(tag, FOREVER, "--qos=debug", "--time=1", "--hold")
    try:
        with pytest.raises(SiteFullError, match="QOSMaxSubmitJobPerUserLimit"):
            deque(map(slurm.submit, repeat(script, DEBUG_JOBS_AT_MOST)))
    finally:
        for row in slurm.queue():
            if row.tag == tag:
                slurm.cancel(row.slurm_id)


def test_while_the_controller_is_away_nothing_is_known(
    testbed: Testbed, slurm: SlurmCommandLine
) -> None:
    tag = a_tag()
    since = SystemClock().now()
    questions: tuple[Callable[[], object], ...] = (
        lambda: slurm.submit(a_script(tag, FOREVER)),
        slurm.queue,
        lambda: slurm.find(tag, since=since),
        lambda: slurm.cancel(SlurmId("1")),
    )
    with away(testbed, "slurmctld"), ThreadPoolExecutor() as pool:
        answers = [pool.submit(it) for it in questions]
        errors = [it.exception() for it in answers]
    assert [type(it) for it in errors] == [UnavailableError] * 4
    assert all("connect failure" in str(it) for it in errors)
    assert slurm.find(tag, since=since) == ()


def test_while_accounting_is_away_it_has_no_answer(
    testbed: Testbed, slurm: SlurmCommandLine
) -> None:
    since = SystemClock().now()
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, FOREVER, "--hold"))
    try:
        with away(testbed, "slurmdbd"):
            with pytest.raises(UnavailableError, match="Problem talking to the database"):
                slurm.accounting([slurm_id], since=since)
            with pytest.raises(UnavailableError):
                slurm.find(a_tag(), since=since)
            assert slurm.find(tag, since=since) == (slurm_id,)
            assert in_queue(slurm, slurm_id, "PENDING")
    finally:
        slurm.cancel(slurm_id)


def test_a_submission_whose_time_is_over_is_uncertain_and_found_by_its_tag(
    testbed: Testbed, slurm: SlurmCommandLine
) -> None:
    hasty = command_line(testbed, SchedulerSettings(submit_timeout=timedelta(seconds=2)))
    tag = a_tag()
    since = SystemClock().now()
    controller = int((testbed.folder / "slurm" / "run" / "slurmctld.pid").read_text("utf-8"))
    os.kill(controller, signal.SIGSTOP)
    try:
        with pytest.raises(SubmissionUncertainError):
            hasty.submit(a_script(tag, FOREVER, "--hold"))
    finally:
        os.kill(controller, signal.SIGCONT)
    # The request had reached the controller: nobody waits for its answer, and the job exists.
    (slurm_id,) = eventually(lambda: slurm.find(tag, since=since))
    slurm.cancel(slurm_id)


def test_a_command_that_is_not_installed_is_unavailable(testbed: Testbed) -> None:
    settings = SchedulerSettings(environment=(("PATH", "/nonexistent"),))
    slurm = command_line(testbed, settings)
    for ask in (slurm.queue, lambda: slurm.submit(a_script(a_tag(), FOREVER))):
        with pytest.raises(UnavailableError, match="No such file or directory"):
            ask()


def test_hundreds_of_jobs_are_seen_in_one_look(slurm: SlurmCommandLine) -> None:
    tag = a_tag()
    slurm_id = slurm.submit(a_script(tag, FOREVER, "--hold", "--array=1-500"))
    try:
        seen = {it.slurm_id for it in slurm.queue() if it.tag == tag}
        assert seen == {f"{slurm_id}_{task}" for task in range(1, 501)}
    finally:
        slurm.cancel(slurm_id)


class KeepingItsEnvironment:
    """Becomes the ordinary user, as `as_user` does, but with the environment of the runner."""

    def __init__(self, testbed: Testbed, runner: LocalRunner) -> None:
        self._account = pwd.getpwnam(testbed.user)
        self._runner = runner

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        ids = (f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}")
        become = ("/usr/bin/setpriv", *ids, "--init-groups", "--")
        return self._runner.run([*become, *argv], stdin=stdin, timeout=timeout)


def test_the_daemons_own_environment_does_not_change_a_submission(testbed: Testbed) -> None:
    environment = {**os.environ, "SLURM_CONF": "/nonexistent", "SBATCH_PARTITION": "nowhere"}
    settings = SchedulerSettings(environment=(("SLURM_CONF", str(testbed.slurm_conf)),))
    slurm = SlurmCommandLine(KeepingItsEnvironment(testbed, LocalRunner(environment)), settings)
    slurm_id = slurm.submit(a_script(a_tag(), FOREVER, "--hold"))
    slurm.cancel(slurm_id)


def test_a_script_may_be_long(slurm: SlurmCommandLine) -> None:
    comment = "# " + "x" * 97 + "\n"
    slurm_id = slurm.submit(a_script(a_tag(), comment * 20_000 + "exit 0", "--hold"))
    slurm.cancel(slurm_id)
