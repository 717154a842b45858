"""A laptop: the real broker, the daemon of the built wheel, and no Slurm at all."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from site_bridge import TERMINAL, Configuration, OpenBridge, SiteBridge
from testbed import Testbed

from bridge.core.job import JobId, task_id

LIFE = ["accepted", "queued", "started", "exited", "finished"]


def without_slurm(configuration: Configuration) -> None:
    configuration["broker"] |= {
        "host": "${BRIDGE_TESTBED_AMQP_HOST}",
        "port": "${BRIDGE_TESTBED_AMQP_PORT}",
        "virtual_host": "${BRIDGE_TESTBED_AMQP_VHOST}",
        "user": "${BRIDGE_TESTBED_AMQP_USER}",
        "password_file": "${BRIDGE_TESTBED_AMQP_PASSWORD_FILE}",
    }


@pytest.fixture
def laptop(open_bridge: OpenBridge) -> Iterator[SiteBridge]:
    opened = open_bridge(without_slurm, base="laptop.yaml")
    yield opened
    # What a test that failed has left running.
    for record in (opened.folder / "journal.sqlite.jobs").glob("*/run.json"):
        if not record.with_name("end.json").exists():
            leader = json.loads(record.read_text())["leader"]["number"]
            os.killpg(leader, signal.SIGKILL)


def run(laptop: SiteBridge, *words: str, **changes: object) -> str:
    return laptop.run(*words, image="none", **changes)


def submit(laptop: SiteBridge, *words: str, **changes: object) -> str:
    return laptop.submit(laptop.job(*words, image="none", **changes))


def one_after_the_other(laptop: SiteBridge, *words: str) -> list[str]:
    """Three jobs, of which two run."""
    jobs = []
    for event in ("started", "started", "pending"):
        jobs.append(submit(laptop, *words))
        laptop.wait_for(jobs[-1], {event})
    return jobs


def output(laptop: SiteBridge, job_id: str) -> str:
    return (laptop.folder / job_id / "stdout").read_text()


def test_a_job_tells_its_life_as_it_would_with_slurm(laptop: SiteBridge, testbed: Testbed) -> None:
    job_id = run(laptop, "sh", "-c", "id -un; echo $SLURM_CONF")
    assert laptop.life(job_id) == LIFE
    data = laptop.last(job_id).data
    assert (data.exit_code, data.slurm_id) == (0, "1")
    assert data.started_at is not None
    assert data.ended_at is not None
    assert data.started_at <= data.ended_at
    assert output(laptop, job_id) == f"{testbed.user}\n\n"


def test_the_tasks_of_a_sweep_run_one_by_one(laptop: SiteBridge) -> None:
    sweep = {"grid": {"n": [1, 2, 3]}}
    job_id = run(laptop, "sh", "-c", 'cat "$BRIDGE_PARAMS"; env | grep INDEX', sweep=sweep)
    assert laptop.told(job_id) == ["accepted", "queued", "started", "finished"]
    assert laptop.last(job_id).data.slurm_id is None
    for index in range(3):
        task = task_id(JobId(job_id), index)
        assert laptop.life(task) == LIFE
        assert output(laptop, task) == f"n: {index + 1}\nBRIDGE_SWEEP_INDEX={index}\n"


def test_a_command_that_exits_with_7_fails_with_7(laptop: SiteBridge) -> None:
    job_id = run(laptop, "sh", "-c", "exit 7")
    assert laptop.told(job_id)[-2:] == ["exited", "failed"]
    data = laptop.last(job_id).data
    assert (data.reason, data.exit_code) == ("exit-code", 7)


def test_a_job_over_its_time_limit_fails_with_timeout(laptop: SiteBridge) -> None:
    job_id = run(laptop, "sleep", "300", resources={"walltime": "00:00:02"})
    assert laptop.last(job_id).data.event == "failed"
    assert laptop.last(job_id).data.reason == "timeout"


def test_a_running_and_a_waiting_job_can_be_cancelled(laptop: SiteBridge) -> None:
    first, second, third = one_after_the_other(laptop, "sleep", "300")
    laptop.cancel(third)
    laptop.wait_for(third, {"cancelled"})
    laptop.cancel(first)
    laptop.wait_for(first, {"cancelled"})
    assert "started" not in laptop.told(third)
    laptop.cancel(second)
    laptop.wait_for(second, {"cancelled"})


def test_a_job_of_several_nodes_is_rejected(laptop: SiteBridge) -> None:
    job_id = run(laptop, "true", resources={"nodes": 2})
    assert laptop.told(job_id) == ["rejected"]


def test_a_daemon_that_is_killed_finds_its_jobs_again_and_runs_none_twice(
    laptop: SiteBridge, user_folder: Path
) -> None:
    gate = user_folder / "go"
    body = f"echo ran; until [ -e {gate} ]; do sleep 0.1; done; exit 3"
    jobs = one_after_the_other(laptop, "sh", "-c", body)
    laptop.kill()
    gate.touch()
    # The third one follows, and ends, with no daemon there.
    laptop.wait_until(lambda: _is_over(laptop, "3"), "the third job is over")
    laptop.start()
    for job_id in jobs:
        event = laptop.wait_for(job_id, TERMINAL)
        assert (event.data.event, event.data.exit_code) == ("failed", 3)
        assert output(laptop, job_id) == "ran\n"
    assert [laptop.told(it).count("failed") for it in jobs] == [1, 1, 1]


def test_a_daemon_that_is_killed_while_jobs_come_in_runs_each_once(laptop: SiteBridge) -> None:
    jobs: list[str] = []
    for _ in range(4):
        jobs += [submit(laptop, "sh", "-c", "echo ran") for _ in range(3)]
        laptop.wait_for(jobs[-3], {"accepted"})
        laptop.kill()
        laptop.start()
    for job_id in jobs:
        laptop.wait_for(job_id, {"finished"}, patience=timedelta(minutes=2))
        assert output(laptop, job_id) == "ran\n"
        assert laptop.told(job_id).count("finished") == 1


def test_a_stopped_daemon_leaves_its_jobs_alone(laptop: SiteBridge, user_folder: Path) -> None:
    gate = user_folder / "go"
    job_id = submit(laptop, "sh", "-c", f"until [ -e {gate} ]; do sleep 0.1; done")
    laptop.wait_for(job_id, {"started"})
    assert laptop.stop(signal.SIGTERM) == 0
    gate.touch()
    laptop.start()
    assert laptop.wait_for(job_id, TERMINAL).data.event == "finished"


def _is_over(laptop: SiteBridge, number: str) -> bool:
    return (laptop.folder / "journal.sqlite.jobs" / number / "end.json").exists()
