"""Jobs as processes of this machine: real processes, and daemons that come and go."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from rabbitmq_management import until

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_processes.process import Process, is_alive, process_of, send
from bridge.adapters.local_processes.records import Run
from bridge.adapters.local_processes.scheduler import LocalProcesses
from bridge.adapters.local_processes.store import Store
from bridge.core.errors import SubmissionRefusedError, UnavailableError
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.slurm_state import SlurmState

CLOCK = SystemClock()
FOREVER = "sleep 300"
JOB = SubmissionTag("job")
Open = Callable[..., LocalProcesses]


class Laptop:
    """One folder of records, and whoever looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.parent / "output"
        self.born = CLOCK.now()

    def open(self, at_once: int = 4, grace: float = 20) -> LocalProcesses:
        """A daemon's scheduler, such as after a restart."""
        return LocalProcesses(self.folder, CLOCK, at_once=at_once, grace=timedelta(seconds=grace))

    def script(self, body: str, *options: str, name: str = "job") -> str:
        lines = (f"--job-name={name}", f"--output={self.output}", "--open-mode=append", *options)
        return "#!/bin/bash\n" + "".join(f"#SBATCH {it}\n" for it in lines) + body + "\n"

    def said(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def says(self, text: str) -> None:
        assert until(lambda: self.said() == text), self.said()


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path / "jobs")
    yield laptop
    # A scheduler that starts nothing, so that what waits is over before what runs.
    with suppress(UnavailableError):
        scheduler = laptop.open(at_once=0)
        for job in reversed(scheduler.queue()):
            scheduler.cancel([(job.slurm_id, job.tag)])
        assert until(lambda: all(it.ended_at for it in scheduler.queue()))


def row(scheduler: LocalProcesses, slurm_id: SlurmId) -> Sighting:
    (found,) = [it for it in scheduler.queue() if it.slurm_id == slurm_id]
    return found


def shows(scheduler: LocalProcesses, slurm_id: SlurmId, state: SlurmState) -> Sighting:
    assert until(lambda: row(scheduler, slurm_id).state is state), row(scheduler, slurm_id)
    return row(scheduler, slurm_id)


def run_of(laptop: Laptop, slurm_id: SlurmId) -> Run:
    job = Store(laptop.folder).job(int(slurm_id))
    assert job is not None
    assert job.run is not None
    return job.run


def ended(process: Process) -> bool:
    return until(lambda: not is_alive(process))


# --- what a script sees


def test_a_script_sees_what_slurm_would_tell_it_and_none_of_the_daemons_secrets(
    laptop: Laptop,
) -> None:
    mine = {
        "PATH": os.environ["PATH"],
        "HOME": str(laptop.folder.parent),
        "BRIDGE_PASSWORD": "s3cret",
    }
    scheduler = LocalProcesses(laptop.folder, CLOCK, at_once=1, environment=mine)
    slurm_id = scheduler.submit(laptop.script("env", name="digits"))
    assert until(lambda: "SLURM_JOB_ID" in laptop.said())
    variables = dict(it.partition("=")[::2] for it in laptop.said().splitlines())
    assert variables["SLURM_JOB_ID"] == slurm_id
    assert variables["SLURM_JOB_NAME"] == "digits"
    assert variables["SLURM_RESTART_COUNT"] == "0"
    assert variables["SLURMD_NODENAME"] == socket.gethostname()
    assert variables["PATH"] == os.environ["PATH"]
    assert variables["HOME"] == str(laptop.folder.parent)
    assert "s3cret" not in laptop.said()


def test_a_script_runs_in_its_folder_with_its_own_streams(laptop: Laptop, tmp_path: Path) -> None:
    body = 'pwd; echo beside >&2; read -r word || echo "no input"'
    options = (f"--chdir={tmp_path}", f"--error={tmp_path}/%x-%j.err")
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script(body, *options))
    shows(scheduler, slurm_id, SlurmState.COMPLETED)
    assert laptop.said() == f"{tmp_path}\nno input\n"
    assert (tmp_path / f"job-{slurm_id}.err").read_text() == "beside\n"


def test_a_job_whose_output_cannot_be_opened_fails_and_says_which(laptop: Laptop) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script("true", "--output=/nowhere/x"))
    seen = shows(scheduler, slurm_id, SlurmState.FAILED)
    assert (seen.exit_code, seen.signal) == (0, 53)
    assert seen.reason == "/nowhere/x: No such file or directory"


def test_nothing_of_a_job_runs_on_after_its_script_has_ended(laptop: Laptop) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script(f"{FOREVER} & echo $!"))
    shows(scheduler, slurm_id, SlurmState.COMPLETED)
    with suppress(ProcessLookupError):
        assert not is_alive(process_of(int(laptop.said())))


# --- how jobs end


def test_a_script_that_is_killed_shows_the_signal(laptop: Laptop) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script("kill -KILL $$"))
    seen = shows(scheduler, slurm_id, SlurmState.FAILED)
    assert (seen.exit_code, seen.signal) == (0, 9)


def test_a_job_that_is_out_of_time_is_asked_to_end(laptop: Laptop) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(
        laptop.script("trap 'echo asked; exit 3' TERM\nsleep 300 & wait", "--time=0:01")
    )
    seen = shows(scheduler, slurm_id, SlurmState.TIMEOUT)
    assert (laptop.said(), seen.exit_code) == ("asked\n", 3)


def test_a_job_that_does_not_heed_that_is_killed_after_a_grace(laptop: Laptop) -> None:
    scheduler = laptop.open(grace=0.2)
    body = "trap '' TERM\nsleep 300 & wait; echo never"
    slurm_id = scheduler.submit(laptop.script(body, "--time=0:01"))
    assert shows(scheduler, slurm_id, SlurmState.TIMEOUT).signal == 9
    assert laptop.said() == ""


def test_a_job_gets_its_signal_before_its_time_is_over(laptop: Laptop) -> None:
    body = "trap 'echo saved; exit 0' USR1\nsleep 300 & wait"
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script(body, "--time=2:00", "--signal=B:USR1@119"))
    shows(scheduler, slurm_id, SlurmState.COMPLETED)
    assert laptop.said() == "saved\n"


def test_a_job_that_is_cancelled_while_it_waits_never_runs(laptop: Laptop) -> None:
    scheduler = laptop.open(at_once=1)
    runs = scheduler.submit(laptop.script(FOREVER))
    waits = scheduler.submit(laptop.script("echo ran"))
    scheduler.cancel([(waits, JOB)])
    seen = row(scheduler, waits)
    assert (seen.state, seen.started_at) == (SlurmState.CANCELLED, None)
    scheduler.cancel([(runs, JOB)])
    shows(scheduler, runs, SlurmState.CANCELLED)
    assert laptop.said() == ""


# --- how many, and in which order


def test_no_more_than_a_few_run_at_once_and_the_others_follow_in_order(laptop: Laptop) -> None:
    scheduler = laptop.open(at_once=1)
    ids = [
        scheduler.submit(laptop.script(f"echo begin {it}; sleep 0.2; echo end {it}"))
        for it in range(4)
    ]
    assert row(scheduler, ids[3]).reason == "Resources"
    laptop.says("".join(f"begin {it}\nend {it}\n" for it in range(4)))


def test_jobs_follow_one_another_with_no_daemon_there(laptop: Laptop) -> None:
    scheduler = laptop.open(at_once=1)
    for it in range(3):
        scheduler.submit(laptop.script(f"echo {it}"))
    # Nobody looks at the queue any more.
    laptop.says("0\n1\n2\n")


def test_a_daemon_that_allows_more_has_more_run(laptop: Laptop) -> None:
    first = laptop.open(at_once=1)
    ids = [first.submit(laptop.script(FOREVER)) for _ in range(2)]
    assert [row(first, it).state for it in ids] == [SlurmState.RUNNING, SlurmState.PENDING]
    second = laptop.open(at_once=2)
    shows(second, ids[1], SlurmState.RUNNING)


# --- daemons that come and go


def test_the_next_daemon_finds_what_runs_and_how_it_ends(laptop: Laptop, tmp_path: Path) -> None:
    first = laptop.open()
    body = f"echo ran; until [ -e {tmp_path}/go ]; do sleep 0.05; done; exit 7"
    slurm_id = first.submit(laptop.script(body))
    shows(first, slurm_id, SlurmState.RUNNING)
    second = laptop.open()
    assert row(second, slurm_id).state is SlurmState.RUNNING
    (tmp_path / "go").touch()
    assert shows(second, slurm_id, SlurmState.FAILED).exit_code == 7
    (record,) = laptop.open().accounting([slurm_id], since=laptop.born)
    assert (record.state, record.exit_code) == (SlurmState.FAILED, 7)
    assert laptop.said() == "ran\n"


def test_the_next_daemon_starts_what_was_taken_and_not_started(laptop: Laptop) -> None:
    # As if the first was killed after the job was on record.
    first = laptop.open(at_once=0)
    slurm_id = first.submit(laptop.script("echo ran"))
    second = laptop.open(at_once=1)
    assert second.find([SubmissionTag("job")], since=laptop.born)[SubmissionTag("job")] == (
        slurm_id,
    )
    shows(second, slurm_id, SlurmState.COMPLETED)
    assert laptop.said() == "ran\n"


def test_a_job_that_was_only_half_on_record_was_never_taken(laptop: Laptop) -> None:
    laptop.open()
    unfinished = laptop.folder / ".new-0123456789abcdef"
    unfinished.mkdir()
    (unfinished / "script").write_text("echo ran")
    scheduler = laptop.open()
    assert scheduler.queue() == ()
    assert not unfinished.exists()


def test_a_job_whose_supervisor_is_killed_has_lost_its_node_and_runs_no_longer(
    laptop: Laptop,
) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script(f"{FOREVER} & echo $!; wait"))
    assert until(lambda: laptop.said().endswith("\n"))
    run, child = run_of(laptop, slurm_id), process_of(int(laptop.said()))
    send(run.supervisor, signal.SIGKILL)
    seen = shows(scheduler, slurm_id, SlurmState.NODE_FAIL)
    assert "supervisor is gone" in str(seen.reason)
    assert ended(run.leader)
    assert ended(child)


def test_a_supervisor_that_the_machines_shutdown_ends_tells_of_a_lost_node(laptop: Laptop) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script(FOREVER))
    shows(scheduler, slurm_id, SlurmState.RUNNING)
    send(run_of(laptop, slurm_id).supervisor, signal.SIGTERM)
    assert shows(scheduler, slurm_id, SlurmState.NODE_FAIL).reason == "the machine was shut down"


def test_after_the_machine_was_started_anew_nobody_elses_process_is_taken_for_the_job(
    laptop: Laptop,
) -> None:
    scheduler = laptop.open(at_once=0)
    slurm_id = scheduler.submit(laptop.script("true"))
    me = process_of(os.getpid())
    before = Process(number=me.number, started=me.started, boot="another-boot")
    run = Run(at=CLOCK.now(), node="laptop", supervisor=before, leader=before)
    assert Store(laptop.folder).claim(int(slurm_id), run)
    assert shows(scheduler, slurm_id, SlurmState.NODE_FAIL).nodes == "laptop"


def test_a_number_that_was_given_out_again_is_another_process(laptop: Laptop) -> None:
    del laptop
    me = process_of(os.getpid())
    other = Process(number=me.number, started=me.started - 1, boot=me.boot)
    assert is_alive(me)
    assert not is_alive(other)
    send(other, signal.SIGKILL)  # nobody is there to be killed


def test_a_run_can_be_had_once(laptop: Laptop) -> None:
    slurm_id = laptop.open(at_once=0).submit(laptop.script("echo ran"))
    me = process_of(os.getpid())
    run = Run(at=CLOCK.now(), node="laptop", supervisor=me, leader=me)
    store = Store(laptop.folder)
    assert store.claim(int(slurm_id), run)
    assert not store.claim(int(slurm_id), run)
    # Nobody starts what somebody runs.
    laptop.open(at_once=4).queue()
    assert laptop.said() == ""
    os_end(laptop, slurm_id)


def os_end(laptop: Laptop, slurm_id: SlurmId) -> None:
    path = laptop.folder / slurm_id / "run.json"
    said = json.loads(path.read_text())
    said["supervisor"]["boot"] = said["leader"]["boot"] = "another-boot"
    path.write_text(json.dumps(said))


# --- records


def test_old_records_are_forgotten_but_for_the_newest_number(laptop: Laptop) -> None:
    scheduler = laptop.open()
    ids = [scheduler.submit(laptop.script("true")) for _ in range(3)]
    for it in ids:
        shows(scheduler, it, SlurmState.COMPLETED)
    scheduler.forget(before=laptop.born)
    assert len(scheduler.queue()) == 3
    scheduler.forget(before=CLOCK.now())
    assert [it.slurm_id for it in scheduler.queue()] == [ids[2]]
    assert scheduler.submit(laptop.script("true")) == "4"


def test_a_damaged_record_is_told_and_nothing_is_made_of_it(laptop: Laptop) -> None:
    scheduler = laptop.open(at_once=0)
    slurm_id = scheduler.submit(laptop.script("true"))
    record = laptop.folder / slurm_id / "submitted.json"
    kept = record.read_text()
    record.write_text("{}")
    with pytest.raises(UnavailableError, match=r"submitted.json is damaged"):
        scheduler.queue()
    record.write_text(kept)


def test_what_is_refused_leaves_no_record(laptop: Laptop) -> None:
    scheduler = laptop.open()
    with pytest.raises(SubmissionRefusedError):
        scheduler.submit(laptop.script("true", "--nodes=2"))
    assert scheduler.queue() == ()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="file"):
        LocalProcesses(tmp_path / "file" / "jobs", CLOCK, at_once=1)


def test_a_supervisor_whose_records_are_removed_ends(laptop: Laptop) -> None:
    scheduler = laptop.open()
    slurm_id = scheduler.submit(laptop.script(FOREVER))
    shows(scheduler, slurm_id, SlurmState.RUNNING)
    run = run_of(laptop, slurm_id)
    shutil.rmtree(laptop.folder)
    send(run.leader, signal.SIGKILL)
    assert ended(run.supervisor)
