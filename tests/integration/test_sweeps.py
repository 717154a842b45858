"""Sweeps: one message, one array, and a life of its own for each task; on real parts."""

import json
import shutil
import signal
from datetime import timedelta

import pytest
from counted_jobs import check, counted, quick, runs_of, slurm_ids
from site_bridge import TERMINAL, OpenBridge, SiteBridge
from testbed import CHECKOUT, Testbed

from bridge.core.job import JobId, task_id

PATIENCE = timedelta(minutes=3)


@pytest.fixture
def bridge(open_bridge: OpenBridge) -> SiteBridge:
    return open_bridge(quick)


def tasks_of(sweep: str, count: int) -> list[str]:
    return [str(task_id(JobId(sweep), index)) for index in range(count)]


def test_twenty_trainings_are_one_array_with_events_for_each_and_for_all(
    bridge: SiteBridge, testbed: Testbed
) -> None:
    code = bridge.folder / "code"
    code.mkdir()
    for source in (CHECKOUT / "examples" / "digits" / "train.py", CHECKOUT / "bridge/progress.py"):
        shutil.copyfile(source, code / source.name)
    code.chmod(0o755)
    training = bridge.job(
        "python3",
        "/code/train.py",
        image=f"{testbed.images}/sklearn.sif",
        mounts=[{"source": str(code), "target": "/code", "read_only": True}],
        params={"held_out": 0.2, "seed": 1, "epochs": 2, "hidden_layers": [16]},
        sweep={
            "grid": {"learning_rate": [0.001, 0.003, 0.01, 0.03, 0.1], "seed": [1, 2, 3, 4]},
            "at_once": 8,
        },
    )
    sweep = bridge.submit(training)

    bridge.wait_for(sweep, TERMINAL, patience=PATIENCE)

    assert bridge.told(sweep) == ["accepted", "queued", "started", "finished"]
    end = bridge.last(sweep).data
    assert end.tasks is not None
    assert (end.tasks.total, end.tasks.finished) == (20, 20)
    tasks = tasks_of(sweep, 20)
    for index, job_id in enumerate(tasks):
        assert bridge.life(job_id) == ["accepted", "queued", "started", "exited", "finished"]
        data = bridge.last(job_id).data
        assert data.slurm_id == f"{end.slurm_id}_{index}"
        assert data.task is not None
        assert (data.task.sweep, data.task.index) == (sweep, index)
    rates = set()
    for job_id in tasks:
        folder = bridge.folder / job_id
        params = (folder / "params.yaml").read_text(encoding="utf-8")
        rates.add(params)
        assert json.loads((folder / "artifacts" / "training.json").read_text())["epochs"] == 2
        assert "accuracy" in (folder / "stdout").read_text(encoding="utf-8")
    assert len(rates) == 20
    listed = {it for ids in slurm_ids(bridge, sweep).values() for it in ids}
    assert listed == {f"{end.slurm_id}_{index}" for index in range(20)}


def test_a_cancelled_sweep_ends_all_its_tasks_and_one_task_alone(bridge: SiteBridge) -> None:
    sweep = bridge.submit(
        counted(
            bridge,
            "sleep 500",
            sweep={"list": [{"n": it} for it in range(4)], "at_once": 2},
            resources={"walltime": "00:10:00"},
        )
    )
    first, second, third, fourth = tasks_of(sweep, 4)
    for job_id in (first, second):
        bridge.wait_for(job_id, {"started"})
    bridge.cancel(fourth)
    bridge.wait_for(fourth, TERMINAL)
    assert bridge.last(fourth).data.detail == "cancelled before it started"
    bridge.as_user("scancel", str(bridge.last(third).data.slurm_id))
    bridge.wait_for(third, TERMINAL)
    assert bridge.last(third).data.detail == "cancelled before it started"
    bridge.wait_for(sweep, {"started"})
    assert bridge.told(sweep) == ["accepted", "queued", "started"]

    bridge.cancel(sweep)

    bridge.wait_for(sweep, TERMINAL)
    assert bridge.told(sweep) == ["accepted", "queued", "started", "cancelled"]
    assert bridge.last(sweep).data.detail == "of 4 tasks 4 cancelled"
    for job_id in (first, second, third, fourth):
        check(bridge, job_id, "cancelled")


def test_a_task_that_was_cancelled_before_its_sweep_was_sent_is_cancelled_alone(
    bridge: SiteBridge,
) -> None:
    waits = '[ "$BRIDGE_SWEEP_INDEX" != 0 ] || until [ -e go ]; do sleep 0.1; done'
    asked = counted(bridge, waits, sweep={"list": [{"n": it} for it in range(3)], "at_once": 1})
    first, second, third = tasks_of(str(asked["job_id"]), 3)
    bridge.cancel(third)
    bridge.wait_for(third, {"rejected"})

    sweep = bridge.submit(asked)

    bridge.wait_for(third, {"cancelled"})
    (bridge.folder / first / "go").touch()
    bridge.wait_for(sweep, TERMINAL)
    assert bridge.told(sweep) == ["accepted", "queued", "started", "cancelled"]
    assert bridge.last(sweep).data.detail == "of 3 tasks 2 finished, 1 cancelled"
    for job_id, how in ((first, "finished"), (second, "finished"), (third, "cancelled")):
        bridge.wait_for(job_id, {how})


def test_an_array_is_submitted_once_by_daemons_that_are_killed_around_it(
    bridge: SiteBridge,
) -> None:
    bridge.stop()
    sweeps: list[str] = []
    for when in ("before", "after"):
        sweeps.append(send_sweep_of_three(bridge))
        bridge.start_crashing(f"scheduler.submit:{when}", 1, "start")
        assert bridge.wait_for_death() == -signal.SIGKILL
    bridge.start()

    for sweep in sweeps:
        bridge.wait_for(sweep, TERMINAL, patience=PATIENCE)

        assert bridge.told(sweep) == ["accepted", "queued", "started", "failed"]
        end = bridge.last(sweep).data
        assert (end.reason, end.detail) == ("tasks", "of 3 tasks 1 finished, 2 failed")
        first, second, third = tasks_of(sweep, 3)
        for job_id, how, runs in (
            (first, "finished", 1),
            (second, "failed", 1),
            (third, "failed", 2),
        ):
            check(bridge, job_id, how)
            assert len(runs_of(bridge, job_id)) == runs
        (listed,) = slurm_ids(bridge, sweep).values()
        assert len(listed) == 3, "one array"


def send_sweep_of_three(bridge: SiteBridge) -> str:
    """The first task finishes, the second one fails, the third one fails twice."""
    return bridge.submit(
        counted(
            bridge,
            'exit "$BRIDGE_SWEEP_INDEX"',
            sweep={"list": [{"n": it} for it in range(3)]},
            retry={"attempts": 2, "reasons": ["exit-code"], "exit_codes": [2], "wait": "1s"},
        )
    )
