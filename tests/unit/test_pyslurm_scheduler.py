"""The scheduler over real workers, whose pyslurm talks to no Slurm."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from unit.script_jobs import shipped_site

from bridge.adapters.pyslurm.scheduler import PyslurmScheduler
from bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    OverBudgetError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.finding import Grade
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.settings import SchedulerSettings
from bridge.core.slurm_client import SlurmClient
from bridge.live_check import checkpoints
from bridge.testing.clock import FakeClock
from bridge.testing.cluster import FakeCluster
from bridge.testing.slurm import FakeSlurm

STAND_IN = Path(__file__).with_name("pyslurm_stand_in.py")
SLURM = SlurmClient(version=(22, 5, 8), cli_filters=())
SETTINGS = SchedulerSettings(
    query_timeout=timedelta(seconds=30), submit_timeout=timedelta(seconds=30)
)


def worker(*arguments: str) -> tuple[str, ...]:
    path = f"PYTHONPATH={STAND_IN.parents[1]}"
    return ("env", path, sys.executable, str(STAND_IN), *arguments)


def python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def script(comment: str = "", *options: str) -> str:
    lines = (
        *("--job-name=x", "--export=NIL", "--nodes=1", "--ntasks=1", "--cpus-per-task=1"),
        *((f"--comment='{comment}'",) if comment else ()),
        *options,
    )
    return "#!/bin/sh\n" + "".join(f"#SBATCH {it}\n" for it in lines) + "true\n"


class Desk:
    """Schedulers that are closed in the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.command_line = FakeSlurm(FakeCluster(FakeClock()))

    def scheduler(
        self,
        *,
        argv: tuple[str, ...] = (),
        client: SlurmClient | BridgeError = SLURM,
        falls_back: bool = False,
        settings: SchedulerSettings = SETTINGS,
        wait: timedelta | None = None,
    ) -> PyslurmScheduler:
        def ask() -> SlurmClient:
            if isinstance(client, BridgeError):
                raise client
            return client

        def spend() -> None:
            if wait is not None:
                raise OverBudgetError("enough", wait=wait)

        scheduler = PyslurmScheduler(
            replace(settings, pyslurm_fallback=falls_back),
            command_line=self.command_line,
            client=ask,
            spend=spend,
            argv=argv or worker(),
        )
        self._stack.callback(scheduler.close)
        return scheduler


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(stack)


def test_a_worker_takes_one_job_after_the_other(desk: Desk) -> None:
    scheduler = desk.scheduler()
    ids = {scheduler.submit(script()) for _ in range(5)}
    # The stand-in gives its process's number.
    assert len(ids) == 1


def test_jobs_that_are_submitted_side_by_side_have_workers_of_their_own(desk: Desk) -> None:
    scheduler = desk.scheduler()
    first = scheduler.submit(script())
    slow = desk.scheduler(
        settings=SchedulerSettings(
            query_timeout=timedelta(seconds=30), submit_timeout=timedelta(seconds=2)
        )
    )
    with ThreadPoolExecutor(2) as pool:
        stuck = pool.submit(slow.submit, script("sleep"))
        others = {slow.submit(script()) for _ in range(3)}
        assert isinstance(stuck.exception(), SubmissionUncertainError)
    assert len(others) == 1
    assert scheduler.submit(script()) == first


@pytest.mark.parametrize(
    ("comment", "error", "words"),
    [
        ("fail:Invalid partition name specified", SubmissionRefusedError, "Invalid partition"),
        (
            "print:QOSMaxSubmitJobPerUserLimit",
            SiteFullError,
            "QOSMaxSubmitJobPerUserLimit; Job vio",
        ),
        ("print:QOSMaxWallDurationPerJobLimit", SubmissionRefusedError, "QOSMaxWallDuration"),
        ("fail:Slurm job queue full", UnavailableError, "queue full"),
        ("fail:Zero Bytes were transmitted or received", SubmissionUncertainError, "Zero Bytes"),
        ("wrong:no such time", SubmissionRefusedError, "pyslurm does not take the job: no such"),
    ],
)
def test_an_error_is_what_it_would_be_from_sbatch(
    desk: Desk, comment: str, error: type[BridgeError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        desk.scheduler().submit(script(comment))
    assert type(raised.value) is error


@pytest.mark.parametrize("comment", ["fail:Words of the year 2030", "bug"])
def test_words_that_nobody_knows_leave_a_doubt_that_may_mean_no(desk: Desk, comment: str) -> None:
    with pytest.raises(SubmissionUncertainError) as raised:
        desk.scheduler().submit(script(comment))
    assert not raised.value.is_understood


def test_a_worker_that_dies_during_a_submission_leaves_doubt_and_the_next_one_works(
    desk: Desk,
) -> None:
    scheduler = desk.scheduler()
    first = scheduler.submit(script())
    with pytest.raises(SubmissionUncertainError, match="ended by signal 9 during a submission"):
        scheduler.submit(script("die"))
    assert scheduler.submit(script()) != first


def test_a_worker_that_is_silent_for_too_long_is_killed_and_leaves_doubt(desk: Desk) -> None:
    settings = SchedulerSettings(
        query_timeout=timedelta(seconds=30), submit_timeout=timedelta(seconds=1)
    )
    scheduler = desk.scheduler(settings=settings)
    process = int(scheduler.submit(script()))
    with pytest.raises(SubmissionUncertainError, match="did not answer in time"):
        scheduler.submit(script("sleep"))
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_worker_that_died_while_it_had_nothing_to_do_is_replaced(desk: Desk) -> None:
    scheduler = desk.scheduler()
    process = int(scheduler.submit(script()))
    os.kill(process, signal.SIGKILL)
    stat = Path(f"/proc/{process}/stat")
    while stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert scheduler.submit(script()) != str(process)


def test_what_the_library_prints_is_no_answer(desk: Desk) -> None:
    scheduler = desk.scheduler()
    assert scheduler.submit(script("chatter")) == scheduler.submit(script())


def test_a_worker_that_ends_before_it_can_take_a_job_submitted_nothing(desk: Desk) -> None:
    dying = "import sys; sys.exit('python: fatal: Unable to process configuration file')"
    scheduler = desk.scheduler(argv=python(dying))
    with pytest.raises(UnavailableError, match=r"ended with 1 \(Unable to process configuration"):
        scheduler.submit(script())


def test_a_worker_that_never_says_hello_submitted_nothing(desk: Desk) -> None:
    settings = SchedulerSettings(query_timeout=timedelta(seconds=1))
    scheduler = desk.scheduler(argv=python("import time; time.sleep(600)"), settings=settings)
    with pytest.raises(UnavailableError, match="did not answer in time before it said hello"):
        scheduler.submit(script())


def test_a_program_that_cannot_be_started_submitted_nothing(desk: Desk) -> None:
    with pytest.raises(UnavailableError, match="/nonexistent cannot be started"):
        desk.scheduler(argv=("/nonexistent",)).submit(script())


def test_a_worker_that_speaks_another_language_submitted_nothing(desk: Desk) -> None:
    scheduler = desk.scheduler(argv=python("print('Hello, what can I do for you?')"))
    with pytest.raises(UnavailableError, match="said what is not understood"):
        scheduler.submit(script())


@pytest.mark.parametrize(
    ("version", "client", "words"),
    [
        (
            "23.11.0",
            SLURM,
            r"is for Slurm 23\.11, and this is Slurm 22\.5\.8: install pyslurm 22\.5",
        ),
        ("22.5.3", SlurmClient(version=(22, 5, 8), cli_filters=("lua",)), "CliFilterPlugins=lua"),
    ],
)
def test_a_pyslurm_that_does_not_fit_this_slurm_is_a_mistake_of_the_sites(
    desk: Desk, version: str, client: SlurmClient, words: str
) -> None:
    scheduler = desk.scheduler(argv=worker(version), client=client)
    with pytest.raises(ConfigurationError, match=words) as raised:
        scheduler.verify()
    assert "scheduler.pyslurm_fallback" in str(raised.value)
    with pytest.raises(UnavailableError, match=words):
        scheduler.submit(script())


def test_where_the_site_says_so_the_command_line_submits_instead(desk: Desk) -> None:
    scheduler = desk.scheduler(argv=worker("23.11.0"), falls_back=True)
    with capture_logs() as logs:
        scheduler.verify()
        assert scheduler.submit(script()) == SlurmId("1")
    assert [it["event"] for it in logs] == ["pyslurm_not_used"]


def test_that_slurm_does_not_answer_is_no_mistake_of_the_sites(desk: Desk) -> None:
    scheduler = desk.scheduler(client=UnavailableError("sbatch --version ended with 1"))
    with capture_logs() as logs:
        scheduler.verify()
    assert [it["event"] for it in logs] == ["pyslurm_not_ready"]
    with pytest.raises(UnavailableError, match="--version"):
        scheduler.submit(script())


def test_a_script_that_pyslurm_cannot_be_told_is_refused_with_the_remedy(desk: Desk) -> None:
    with pytest.raises(SubmissionRefusedError, match=r"--image=x.*SPANK.*scheduler\.kind: slurm"):
        desk.scheduler().submit(script("", "--image=x"))


def test_whether_pyslurm_can_be_told_of_a_script_is_known_before_it_is_submitted(
    desk: Desk,
) -> None:
    scheduler = desk.scheduler()
    assert scheduler.refusal(script()) is None
    assert "SPANK" in str(scheduler.refusal(script("", "--image=x")))
    assert "--signal is ignored" in str(scheduler.refusal(script("", "--signal=B:USR1@60")))


@pytest.mark.parametrize(
    ("version", "falls_back", "grade", "words"),
    [
        ("22.5.3", False, Grade.WRONG, "would be refused: --signal is ignored"),
        ("22.5.3", True, Grade.NOTE, "sbatch submits it instead: --signal is ignored"),
        ("24.11.0", False, Grade.OK, "pyslurm can be told of it"),
    ],
)
def test_the_check_tells_whether_jobs_may_have_checkpoints(
    desk: Desk, version: str, grade: Grade, words: str, *, falls_back: bool
) -> None:
    client = SlurmClient(version=(22, 5, 8) if version == "22.5.3" else (24, 11, 5), cli_filters=())
    scheduler = desk.scheduler(argv=worker(version), client=client)
    settings = shipped_site("testbed")
    changed = replace(settings.scheduler, pyslurm_fallback=falls_back)
    found = checkpoints(scheduler, replace(settings, scheduler=changed))
    assert (found.grade, found.words[: len(words)]) == (grade, words)
    if grade is Grade.WRONG:
        assert found.remedy is not None
        assert "pyslurm_fallback: command-line" in found.remedy


def test_a_script_that_pyslurm_cannot_be_told_goes_to_sbatch_where_the_site_says_so(
    desk: Desk,
) -> None:
    scheduler = desk.scheduler(falls_back=True)
    assert scheduler.submit(script("", "--image=x")) == SlurmId("1")
    assert scheduler.submit(script()) not in ("1", "2")


def test_an_attribute_that_this_pyslurm_lost_is_named(desk: Desk) -> None:
    with pytest.raises(SubmissionRefusedError, match=r"pyslurm 22\.5\.3 has no wckey"):
        desk.scheduler().submit(script("", "--wckey=paper"))


def test_beyond_the_budget_nothing_is_submitted(desk: Desk) -> None:
    scheduler = desk.scheduler(wait=timedelta(seconds=7))
    with pytest.raises(OverBudgetError):
        scheduler.submit(script("die"))


def test_a_closed_scheduler_leaves_no_worker(desk: Desk) -> None:
    scheduler = desk.scheduler()
    process = int(scheduler.submit(script()))
    scheduler.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_all_else_is_asked_of_the_command_line(desk: Desk) -> None:
    scheduler = desk.scheduler()
    born = datetime(2020, 1, 1, tzinfo=UTC)
    slurm_id = desk.command_line.submit(script())
    (row,) = scheduler.queue()
    assert (row.slurm_id, row.tag) == (slurm_id, "x")
    assert scheduler.find([SubmissionTag("x")], since=born)[SubmissionTag("x")] == (slurm_id,)
    scheduler.cancel([(slurm_id, SubmissionTag("x"))])
    (record,) = scheduler.accounting([slurm_id], since=born) or ()
    assert record.word == "CANCELLED"
