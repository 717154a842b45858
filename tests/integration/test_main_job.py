"""The main job on real parts: a message becomes a container run, and its events come back."""

import signal
import subprocess
from datetime import timedelta

from site_bridge import SiteBridge
from testbed import Testbed

from bridge.wire.event import EventData


def times(data: EventData) -> list[int]:
    """In whole seconds, as Slurm tells the last two."""
    known = (data.accepted_at, data.submitted_at, data.started_at, data.ended_at)
    return [int(it.timestamp()) for it in known if it is not None]


def test_a_job_tells_its_life_in_order_with_all_that_is_known(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.run("sh", "-c", "sleep 1; exit 0")
    assert site_bridge.life(job_id) == ["accepted", "queued", "started", "exited", "finished"]
    data = site_bridge.last(job_id).data
    assert data.slurm_id is not None
    assert data.slurm_id.isdecimal()
    assert data.nodes in {"n1", "n2"}
    assert data.exit_code == 0
    assert data.phase == "finished"
    assert len(times(data)) == 4
    assert times(data) == sorted(times(data))
    numbers = [it.data.sequence for it in site_bridge.events(job_id)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_log_lies_where_the_event_says(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.run("sh", "-c", "echo out of it; echo beside it >&2")
    logs = site_bridge.last(job_id).data.logs
    assert logs is not None
    assert site_bridge.as_user("cat", logs.stdout) == "out of it\n"
    assert site_bridge.as_user("cat", logs.stderr) == "beside it\n"


def test_jobs_run_as_the_ordinary_user(site_bridge: SiteBridge, testbed: Testbed) -> None:
    job_id = site_bridge.run("true")
    slurm_id = str(site_bridge.last(job_id).data.slurm_id)
    owner = site_bridge.as_user("sacct", "-X", "-n", "-P", "-j", slurm_id, "--format=User")
    assert owner.strip() == testbed.user


def test_parameters_reach_the_container_as_yaml(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.run("sh", "-c", 'cat "$BRIDGE_PARAMS"', params={"rate": 0.5, "n": [1, 2]})
    logs = site_bridge.last(job_id).data.logs
    assert logs is not None
    assert site_bridge.as_user("cat", logs.stdout) == "rate: 0.5\nn:\n- 1\n- 2\n"


def test_a_container_that_exits_with_7_fails_with_7(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.run("sh", "-c", "exit 7")
    assert site_bridge.told(job_id)[-2:] == ["exited", "failed"]
    data = site_bridge.last(job_id).data
    assert (data.reason, data.exit_code) == ("exit-code", 7)


def test_a_running_job_that_scancel_ends_is_cancelled(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.submit(site_bridge.job("sleep", "100"))
    started = site_bridge.wait_for(job_id, {"started"})
    site_bridge.as_user("scancel", str(started.data.slurm_id))
    event = site_bridge.wait_for(job_id, {"finished", "failed", "cancelled"})
    assert event.data.event == "cancelled"
    assert event.data.detail == "stopped while it ran"


def test_a_job_over_its_time_limit_fails_with_timeout(site_bridge: SiteBridge) -> None:
    job = site_bridge.job("sleep", "300", resources={"walltime": "00:01:00"})
    job_id = site_bridge.submit(job)
    event = site_bridge.wait_for(
        job_id, {"finished", "failed", "cancelled"}, patience=timedelta(minutes=3)
    )
    assert (event.data.event, event.data.reason) == ("failed", "timeout")


def test_an_image_that_does_not_exist_gives_one_clear_failure(
    site_bridge: SiteBridge, testbed: Testbed
) -> None:
    image = f"{testbed.images}/missing.sif"
    job_id = site_bridge.run("true", image=image)
    assert "exited" not in site_bridge.told(job_id)
    data = site_bridge.last(job_id).data
    assert (data.event, data.reason, data.exit_code) == ("failed", "no-image", None)
    assert image in str(data.detail)
    assert data.logs is not None
    assert f"there is no image {image}" in site_bridge.as_user("cat", data.logs.stderr)


def test_slurms_refusal_fails_the_job_in_slurms_words(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.run("true", resources={"walltime": "00:31:00", "qos": "debug"})
    assert site_bridge.told(job_id) == ["accepted", "failed"]
    data = site_bridge.last(job_id).data
    assert data.reason == "refused"
    assert data.detail is not None
    assert "QOS" in data.detail


def test_what_cannot_be_accepted_gives_one_clear_rejection_each_and_the_daemon_lives_on(
    site_bridge: SiteBridge,
) -> None:
    good = site_bridge.job()
    bad: dict[str, dict[str, object]] = {
        "resources.nodes": site_bridge.job(resources={"nodes": "two"}),
        "gpu": site_bridge.job(gpu=True),
        "site": site_bridge.job(site="elsewhere"),
        "image": site_bridge.job(image="docker:elsewhere/x:1"),
        "mounts.0.source": site_bridge.job(mounts=[{"source": "/etc", "target": "/mnt"}]),
    }
    for job in bad.values():
        site_bridge.submit(job)
    site_bridge.send(b"\x00\xff garbage")
    site_bridge.submit(good)
    site_bridge.wait_for(str(good["job_id"]), {"finished"})
    for field, job in bad.items():
        job_id = str(job["job_id"])
        assert site_bridge.told(job_id) == ["rejected"]
        assert field in [it.where for it in site_bridge.last(job_id).data.problems]
    assert [str(it.data.event) for it in site_bridge.events(None)] == ["rejected"]


def test_the_daemon_ends_cleanly_and_goes_on_where_it_was(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.submit(site_bridge.job("sleep", "3"))
    site_bridge.wait_for(job_id, {"started"})
    assert site_bridge.stop(signal.SIGINT) == 0
    site_bridge.start()
    site_bridge.wait_for(job_id, {"finished"})
    assert site_bridge.life(job_id) == ["accepted", "queued", "started", "exited", "finished"]


def test_jobs_sent_while_no_daemon_runs_are_taken_when_it_is_back(
    site_bridge: SiteBridge,
) -> None:
    site_bridge.stop()
    job_id = site_bridge.submit(site_bridge.job())
    site_bridge.start()
    site_bridge.wait_for(job_id, {"finished"})


def test_a_second_daemon_with_the_same_journal_is_turned_away(site_bridge: SiteBridge) -> None:
    second = subprocess.run(
        site_bridge.command("run", str(site_bridge.site_file)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 3
    assert str(site_bridge.process.pid) in second.stderr
    assert "Traceback" not in second.stderr
