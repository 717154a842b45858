"""What comes back from a site beside the events: answers, followed logs, presence."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from site_bridge import OpenBridge, SiteBridge

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


# A byte that is no UTF-8, lines without an end, and time for a follower to see them come.
WRITES = (
    'i=0; while [ $i -lt 20 ]; do printf "line %d \\377\\n" $i; printf "e%d" $i >&2; '
    "i=$((i+1)); sleep 0.2; done; mkdir -p artifacts/plots; "
    "head -c 300000 /dev/urandom >artifacts/plots/loss.bin; ln -s /etc/passwd artifacts/leak"
)


def test_output_is_followed_live_and_read_afterwards_and_artifacts_are_fetched(
    bridge: SiteBridge, ask: Asker
) -> None:
    job_id = bridge.submit(bridge.job("sh", "-c", WRITES))
    bridge.wait_for(job_id, {"started"})
    got = {"stdout": b"", "stderr": b""}
    with LogFollower(bridge.settings.broker, bridge.name, job_id, patience=PATIENCE) as follower:
        for chunk in follower.chunks(quiet=PATIENCE):
            assert chunk.start == len(got[chunk.stream])
            got[chunk.stream] += chunk.data
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
    told = [str(it.data.event) for it in ask.events(bridge.name, job_id)]
    assert [it for it in told if it != "pending"] == bridge.life(job_id)


def test_a_site_tells_its_limits_and_that_it_is_there(site_bridge: SiteBridge) -> None:
    with Asker(site_bridge.settings.broker, patience=PATIENCE) as ask:
        limits = ask.limits(site_bridge.name)
        assert limits.runtime == "apptainer"
        assert limits.limits.cpus_per_task == site_bridge.settings.site.limits.cpus_per_task
        (there,) = ask.sites(within=timedelta(seconds=2))
        assert there.site == site_bridge.name
        assert there.live == 0
        site_bridge.stop()
        with pytest.raises(NoBridgeError):
            ask.limits(site_bridge.name)
        assert ask.sites() == ()
