"""On the real Slurm: what pyslurm submits is the job that sbatch submits; its workers may die."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
from pyslurm_site import bridge_has_pyslurm, through_pyslurm, worker
from site_bridge import Configuration, OpenBridge, SiteBridge
from slurm_site import a_script, a_tag, command_line, eventually, in_queue
from ssh_site import descendants
from structlog.testing import capture_logs
from sweep_of_three import check_a_sweep_of_three
from testbed import Testbed

from bridge.adapters.clock import SystemClock
from bridge.adapters.pyslurm.scheduler import PyslurmScheduler
from bridge.cli.exits import BAD_FILE
from bridge.core.errors import (
    ConfigurationError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.job import SlurmId
from bridge.core.settings import SchedulerSettings
from bridge.ports import Scheduler

# What differs between any two submissions: their ids, times and sessions.
OWN = (
    *("JobId", "ArrayJobId", "AllocNode:Sid", "Priority", "SubmitTime", "AccrueTime"),
    *("LastSchedEval", "StartTime", "EndTime"),
)
OWN_FIELDS = re.compile(rf"\b({'|'.join(OWN)})=\S+")
OWN_VARIABLES = re.compile(
    r"(SLURM_(JOB_?ID|TASK_PID|JOB_GPUS|JOB_\w+_TIME)|CUDA\w+|GPU\w+|ROCR\w+)=.*"
)
# Of 24.11: they are no attributes of pyslurm's, and the job's environment has both alike.
NEVER_TOLD = re.compile(r" (TresPerTask=cpu=\d+|OOMKillStep=0)")
OPTIONS = (
    (),
    ("--comment='digits, 25 epochs (first) =#1'",),
    ("--requeue", "--kill-on-invalid-dep=yes", "--open-mode=append"),
    ("--no-requeue", "--open-mode=truncate"),
    ("--time=1-02:03:04", "--time-min=00:10:00"),
    ("--nodes=2", "--ntasks=4", "--cpus-per-task=2", "--mem=8192M"),
    ("--nodes=2", "--ntasks=4", "--ntasks-per-node=2", "--mem-per-cpu=2G"),
    ("--gpus-per-node=2", "--partition=gpu"),
    ("--gres=gpu:1", "--partition=cpu,gpu"),
    ("--partition=cpu", "--qos=debug", "--account=imaging"),
    ("--exclusive", "--nice=5", "--wckey=paper"),
    ("--nodelist=n1", "--exclude=n2"),
    ("--array=1-9%3",),
    ("--begin=2037-01-01T00:00:00",),
    ("--dependency=singleton",),
    ("--chdir=/tmp", "--error=/tmp/error", "--output=/tmp/output-%x"),
    ("--constraint=large", "--reservation=maintenance"),
)


@pytest.fixture
def pyslurm(testbed: Testbed) -> Iterator[PyslurmScheduler]:
    with through_pyslurm(testbed) as scheduler:
        yield scheduler


def record(testbed: Testbed, slurm_id: SlurmId) -> str:
    argv = testbed.as_user(["scontrol", "show", "job", "-o", slurm_id])
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return NEVER_TOLD.sub("", OWN_FIELDS.sub(r"\1", text)).strip()


def held(scheduler: Scheduler, tag: str, options: tuple[str, ...]) -> SlurmId:
    return scheduler.submit(a_script(tag, "sleep 300", "--hold", *options))


@pytest.fixture
def maintenance(testbed: Testbed) -> Iterator[None]:
    """A feature of a node, and a reservation of it for the ordinary user."""

    def scontrol(*words: str) -> None:
        environment = {"PATH": testbed.path, "SLURM_CONF": str(testbed.slurm_conf)}
        subprocess.run(["scontrol", *words], check=True, env=environment, capture_output=True)

    scontrol("update", "NodeName=n2", "AvailableFeatures=large", "ActiveFeatures=large")
    named = "ReservationName=maintenance"
    begin = ("StartTime=2037-01-01T00:00:00", "Duration=60")
    scontrol("create", named, *begin, "Nodes=n2", f"Users={testbed.user}")
    yield
    scontrol("delete", named)
    scontrol("update", "NodeName=n2", "AvailableFeatures=", "ActiveFeatures=")


@pytest.mark.usefixtures("maintenance")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda it: " ".join(it) or "nothing")
def test_a_job_has_the_record_that_sbatch_would_have_given_it(
    testbed: Testbed, pyslurm: PyslurmScheduler, options: tuple[str, ...]
) -> None:
    sbatch, tag = command_line(testbed), a_tag()
    theirs = held(sbatch, tag, options)
    ours = held(pyslurm, tag, options)
    records = (record(testbed, ours), record(testbed, theirs))
    sbatch.cancel([(ours, tag)])
    sbatch.cancel([(theirs, tag)])
    assert records[0] == records[1]


@pytest.mark.parametrize(
    "options",
    [
        ("--open-mode=append", "--cpus-per-task=2", "--mem=200M"),
        ("--gpus-per-node=1", "--partition=gpu", "--ntasks=2", "--ntasks-per-node=2"),
    ],
)
@pytest.mark.parametrize("export", ["NIL", "NONE"])
def test_a_job_sees_the_environment_and_limits_that_sbatch_would_have_given_it(
    testbed: Testbed,
    pyslurm: PyslurmScheduler,
    user_folder: Path,
    options: tuple[str, ...],
    export: str,
) -> None:
    def seen(scheduler: Scheduler, name: str) -> str:
        file = user_folder / name
        body = f"(env | sort; ulimit -a; umask; pwd) >{file}.part; mv {file}.part {file}"
        scheduler.submit(
            a_script("same", body, *options, f"--export={export}", f"--chdir={user_folder}")
        )
        eventually(file.exists)
        text = file.read_text(encoding="utf-8")
        return OWN_VARIABLES.sub(r"\1", text)

    assert seen(pyslurm, "ours") == seen(command_line(testbed), "theirs")


def test_a_job_gets_its_signal_or_is_refused(pyslurm: PyslurmScheduler, user_folder: Path) -> None:
    body = f"trap 'touch {user_folder}/signal' USR1\nfor _ in $(seq 600); do sleep 0.1; done"
    # More seconds than the job has: Slurm sends it as soon as it looks.
    script = a_script(a_tag(), body, "--time=00:01:00", "--signal=B:USR1@60")
    if why := pyslurm.refusal(script):
        assert "--signal is ignored by this version of pyslurm" in why
        with pytest.raises(SubmissionRefusedError, match="--signal"):
            pyslurm.submit(script)
        return
    pyslurm.submit(script)
    eventually((user_folder / "signal").exists)


def test_a_refusal_is_told_in_slurms_own_words(pyslurm: PyslurmScheduler) -> None:
    with pytest.raises(SubmissionRefusedError, match="nope; Invalid partition name specified"):
        pyslurm.submit(a_script(a_tag(), "true", "--partition=nope"))


def test_a_full_site_is_told_from_a_refusal(pyslurm: PyslurmScheduler) -> None:
    # The testbed's QOS `debug` takes five jobs of one user.
    tag = a_tag()
    slurm_ids: list[SlurmId] = []
    try:
        with pytest.raises(SiteFullError, match="QOSMaxSubmitJobPerUserLimit"):
            slurm_ids.extend(held(pyslurm, tag, ("--qos=debug",)) for _ in range(6))
    finally:
        for slurm_id in slurm_ids:
            pyslurm.cancel([(slurm_id, tag)])


def test_a_controller_that_is_away_is_unavailable_and_the_next_submission_works(
    testbed: Testbed, pyslurm: PyslurmScheduler
) -> None:
    testbed.stop("slurmctld")
    try:
        with pytest.raises(UnavailableError, match="connect failure"):
            pyslurm.submit(a_script(a_tag(), "true"))
    finally:
        testbed.start("slurmctld")
    slurm_id = pyslurm.submit(a_script(a_tag(), "true"))
    eventually(lambda: in_queue(pyslurm, slurm_id, "COMPLETED"))


def test_a_submission_whose_worker_is_killed_is_uncertain_and_found_by_its_tag(
    testbed: Testbed, pyslurm: PyslurmScheduler
) -> None:
    tag, since = a_tag(), SystemClock().now()
    controller = int((testbed.folder / "slurm" / "run" / "slurmctld.pid").read_text("utf-8"))
    os.kill(controller, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            doubtful = pool.submit(held, pyslurm, tag, ())
            (worker,) = descendants(os.getpid())
            # By then the request has reached the controller, which does not answer.
            sleep(5)
            os.kill(worker, signal.SIGKILL)
            assert isinstance(doubtful.exception(), SubmissionUncertainError)
    finally:
        os.kill(controller, signal.SIGCONT)
    (slurm_id,) = eventually(lambda: pyslurm.find([tag], since=since)[tag])
    pyslurm.cancel([(slurm_id, tag)])


@pytest.mark.parametrize(
    ("slurm_conf", "words"),
    [
        ("/nonexistent/slurm.conf", r"did not answer in time .*cannot stat file /nonexistent"),
        ("/dev/null", r"ended with 1 .*Unable to process configuration file"),
    ],
)
def test_without_a_good_slurm_conf_the_worker_ends_and_the_bridge_says_so(
    testbed: Testbed, slurm_conf: str, words: str
) -> None:
    wrong = SchedulerSettings(environment=(("SLURM_CONF", slurm_conf),))
    looks = command_line(testbed)
    with closing(
        PyslurmScheduler(
            # libslurm waits a minute for one that is missing.
            SchedulerSettings(query_timeout=timedelta(seconds=10)),
            command_line=looks,
            client=looks.client,
            argv=worker(testbed, wrong),
        )
    ) as scheduler:
        try:
            with capture_logs() as logs:
                scheduler.verify()
        except ConfigurationError as error:
            pytest.skip(f"no pyslurm: {error}")
        assert [it["event"] for it in logs] == ["pyslurm_not_ready"]
        with pytest.raises(UnavailableError, match=words):
            scheduler.submit(a_script(a_tag(), "true"))
        assert isinstance(scheduler.queue(), tuple)


def test_many_threads_submit_each_job_once(pyslurm: PyslurmScheduler) -> None:
    tags = [a_tag() for _ in range(200)]
    with ThreadPoolExecutor(4) as pool:
        slurm_ids = list(pool.map(lambda tag: held(pyslurm, tag, ()), tags))
    try:
        rows = {it.tag: it.slurm_id for it in pyslurm.queue() if it.tag in set(tags)}
        assert rows == dict(zip(tags, slurm_ids, strict=True))
        assert len(set(slurm_ids)) == len(tags)
    finally:
        for slurm_id, tag in zip(slurm_ids, tags, strict=True):
            pyslurm.cancel([(slurm_id, tag)])


@pytest.fixture
def python_has_pyslurm(testbed: Testbed) -> bool:
    return bridge_has_pyslurm(testbed)


def a_pyslurm_site(configuration: Configuration) -> None:
    configuration["scheduler"]["kind"] = "pyslurm"


def test_a_bridge_without_pyslurm_says_so_and_does_not_run(
    testbed: Testbed, user_folder: Path, *, python_has_pyslurm: bool
) -> None:
    if python_has_pyslurm:
        pytest.skip("this bridge has pyslurm")
    bridge = SiteBridge(testbed, user_folder, configure=a_pyslurm_site)
    said = subprocess.run(
        bridge.command("run", str(bridge.site_file)),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == BAD_FILE
    assert "scheduler.kind: pyslurm cannot be imported by" in said.stderr
    assert "scheduler.pyslurm_fallback: command-line" in said.stderr


def test_a_sweep_through_pyslurm_is_one_array_with_a_log_for_each_task(
    open_bridge: OpenBridge, *, python_has_pyslurm: bool
) -> None:
    if not python_has_pyslurm:
        pytest.skip("this bridge has no pyslurm")
    check_a_sweep_of_three(open_bridge(a_pyslurm_site), at_once=2)


def test_a_bridge_with_a_fallback_runs_jobs_with_or_without_pyslurm(
    open_bridge: OpenBridge, *, python_has_pyslurm: bool
) -> None:
    def configure(configuration: Configuration) -> None:
        a_pyslurm_site(configuration)
        configuration["scheduler"]["pyslurm_fallback"] = "command-line"

    bridge = open_bridge(configure)
    job_id = bridge.run("true")
    assert bridge.life(job_id) == ["accepted", "queued", "started", "exited", "finished"]
    assert ("pyslurm_not_used" in bridge.logged()) is not python_has_pyslurm
