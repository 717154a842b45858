"""What comes back from a site beside the events: answers, followed logs, presence."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest
from held_training import held_progress
from rabbitmq_management import until
from site_bridge import UNTIL_LET_GO, OpenBridge, SiteBridge
from testbed import CHECKOUT, Testbed

from bridge.adapters.rabbitmq import Outgoing, Publisher
from bridge.client import Asker, LogFollower, NoAnswerError, NoBridgeError
from bridge.wire.answer import Fault

PATIENCE = timedelta(seconds=60)


@pytest.fixture(params=["here", "over SSH"])
def bridge(request: pytest.FixtureRequest, open_bridge: OpenBridge) -> SiteBridge:
    base = "testbed.yaml" if request.param == "here" else "testbed-ssh.yaml"
    return open_bridge(base=base)


@pytest.fixture
def ask(bridge: SiteBridge) -> Iterator[Asker]:
    with Asker(bridge.settings.broker, patience=PATIENCE) as asker:
        yield asker


# A byte that is no UTF-8, lines without an end, and a wait for a follower to see them come.
WRITES = (
    f"i=0; while [ $i -lt 20 ]; do [ $i != 10 ] || {UNTIL_LET_GO}; "
    'printf "line %d \\377\\n" $i; printf "e%d" $i >&2; '
    'echo "{\\"step\\": $i, \\"metrics\\": {\\"loss\\": $i}}" >>"$BRIDGE_PROGRESS"; '
    "i=$((i+1)); sleep 0.2; done; mkdir -p artifacts/plots; "
    'echo nonsense >>"$BRIDGE_PROGRESS"; '
    "head -c 300000 /dev/urandom >artifacts/plots/loss.bin; ln -s /etc/passwd artifacts/leak"
)


def test_output_is_followed_live_and_read_afterwards_and_artifacts_are_fetched(
    bridge: SiteBridge, ask: Asker
) -> None:
    job_id = bridge.submit(bridge.job("sh", "-c", WRITES))
    bridge.wait_until(lambda: bool(bridge.progress(job_id)), "progress comes")
    got = {"stdout": b"", "stderr": b""}
    with LogFollower(bridge.settings.broker, bridge.name, job_id, patience=PATIENCE) as follower:
        for chunk in follower.chunks(quiet=PATIENCE):
            assert chunk.start == len(got[chunk.stream])
            got[chunk.stream] += chunk.data
            if b"line 9 " in got["stdout"] and b"line 10 " not in got["stdout"]:
                bridge.let_go(job_id)
    bridge.wait_for(job_id, {"finished"})
    folder = bridge.folder / job_id
    for stream, data in got.items():
        assert data == (folder / stream).read_bytes()
    assert b"line 19 \xff\n" in got["stdout"]
    middle = ask.logs(bridge.name, job_id, start=5, length=20)
    assert (middle.start, middle.data) == (5, got["stdout"][5:25])
    assert middle.size == len(got["stdout"])
    fetched = ask.artifact(bridge.name, job_id, "plots/loss.bin")
    left = (folder / "artifacts" / "plots" / "loss.bin").read_bytes()
    assert fetched.data == left
    assert fetched.sha256 == hashlib.sha256(left).hexdigest()
    for name in ("leak", "../stdout", "../../site.yaml", "/etc/passwd", "missing"):
        with pytest.raises(NoAnswerError) as refusal:
            ask.artifact(bridge.name, job_id, name)
        assert refusal.value.reason in {Fault.INVALID, Fault.UNKNOWN}
    assert json.loads(ask.request(bridge.name, job_id))["command"] == ["sh", "-c", WRITES]
    last = bridge.last(job_id).data
    assert last.artifacts is not None
    assert [(it.name, it.size, it.sha256) for it in last.artifacts.files] == [
        ("plots/loss.bin", 300_000, fetched.sha256)
    ]
    progress = bridge.progress(job_id)
    assert [point.step for it in progress for point in it.points] == list(range(20))
    assert [it.number for it in progress] == list(range(1, len(progress) + 1))
    assert len(progress) > 1
    assert sum(it.skipped for it in progress) == 1
    told = [str(it.data.event) for it in ask.events(bridge.name, job_id)]
    assert [it for it in told if it != "pending"] == bridge.life(job_id)


def test_a_site_tells_its_limits_and_that_it_is_there(site_bridge: SiteBridge) -> None:
    with Asker(site_bridge.settings.broker, patience=PATIENCE) as ask:
        limits = ask.limits(site_bridge.name)
        assert limits.runtime == "apptainer"
        assert limits.limits.cpus_per_task == site_bridge.settings.site.limits.cpus_per_task
        assert until(lambda: ask.sites(within=timedelta(seconds=2)))
        (there,) = ask.sites(within=timedelta(seconds=2))
        assert there.site == site_bridge.name
        assert there.live == 0
        site_bridge.stop()
        with pytest.raises(NoBridgeError):
            ask.limits(site_bridge.name)
        assert ask.sites() == ()


def test_the_loss_of_a_real_training_falls_before_ones_eyes_over_a_kill_of_the_bridge(
    site_bridge: SiteBridge, testbed: Testbed
) -> None:
    code = site_bridge.folder / "code"
    code.mkdir()
    shutil.copy(CHECKOUT / "examples" / "digits" / "train.py", code)
    (code / "progress.py").write_text(held_progress(), encoding="utf-8")
    code.chmod(0o755)
    epochs = 300
    job_id = site_bridge.submit(
        site_bridge.job(
            *("python3", "/mnt/train.py"),
            image=f"{testbed.images}/sklearn.sif",
            params={
                "epochs": epochs,
                "hidden_layers": [64],
                "learning_rate": 0.0005,
                "held_out": 0.25,
                "seed": 7,
            },
            mounts=[{"source": str(code), "target": "/mnt", "read_only": True}],
            resources={"memory": "2G", "walltime": "00:05:00"},
        )
    )
    site_bridge.wait_until(lambda: bool(site_bridge.progress(job_id)), "progress comes")
    site_bridge.kill()
    site_bridge.start()
    site_bridge.let_go(job_id)
    site_bridge.wait_for(job_id, {"finished"})
    progress = site_bridge.progress(job_id)
    points = [point for it in progress for point in it.points]
    assert [it.step for it in points] == list(range(1, epochs + 1))
    assert [it.number for it in progress] == list(range(1, len(progress) + 1))
    assert len(progress) > 1
    losses = [it.metrics["loss"] or 0 for it in points]
    assert losses[0] > losses[epochs // 2] > losses[-1] > 0
    artifacts = site_bridge.last(job_id).data.artifacts
    assert artifacts is not None
    assert [it.name for it in artifacts.files] == ["model.pickle", "training.json"]
    with Asker(site_bridge.settings.broker, patience=PATIENCE) as ask:
        model = ask.artifact(site_bridge.name, job_id, "model.pickle")
    assert (len(model.data), model.sha256) == (artifacts.files[0].size, artifacts.files[0].sha256)


def test_output_is_followed_without_a_gap_over_a_kill_of_the_bridge(
    site_bridge: SiteBridge,
) -> None:
    writes = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"
    job_id = site_bridge.submit(site_bridge.job("sh", "-c", writes))
    site_bridge.wait_for(job_id, {"started"})
    got, is_killed = b"", False
    broker = site_bridge.settings.broker
    with LogFollower(broker, site_bridge.name, job_id, patience=PATIENCE) as follower:
        for chunk in follower.chunks(quiet=PATIENCE):
            assert (chunk.stream, chunk.start) == ("stdout", len(got))
            got += chunk.data
            if not is_killed and b"line 5\n" in got:
                site_bridge.kill()
                site_bridge.start()
                is_killed = True
    assert is_killed
    assert got == b"".join(b"line %d\n" % it for it in range(60))


def test_questions_that_nobody_waits_for_hurt_nobody(site_bridge: SiteBridge) -> None:
    """Nor do those that would have the bridge write where it should not."""
    broker, job_id = site_bridge.settings.broker, site_bridge.run("true")
    deaf = [
        Outgoing(
            exchange=broker.questions_exchange,
            routing_key=site_bridge.name,
            body=json.dumps({"verb": verb, "job_id": job_id}).encode(),
            message_id="",
            content_type="application/json",
            reply_to=reply_to,
        )
        for verb in ("logs", "events", "limits")
        for reply_to in (None, "gone", broker.jobs_queue(site_bridge.name), "x" * 255)
    ]
    with Publisher(broker) as publisher:
        publisher.send(deaf * 50)
    with Asker(broker, patience=PATIENCE) as ask:
        assert ask.logs(site_bridge.name, job_id).data == b""
    site_bridge.run("true")
    assert "Traceback" not in site_bridge.logged()
    assert {str(it.data.event) for it in site_bridge.events(None)} == set()
