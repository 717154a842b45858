"""The example for Node.js against a real site."""

import json
import os
import subprocess

import pytest
from site_bridge import SiteBridge
from testbed import CHECKOUT

pytestmark = pytest.mark.browser

NODE = CHECKOUT / ".tools" / "node"


@pytest.fixture
def node(site_bridge: SiteBridge) -> list[str]:
    assert (NODE / "bin" / "node").exists(), "no Node.js: scripts/browser-env installs one"
    # Its packages lie beside it: what is imported is looked for from the program's own folder up.
    programs = site_bridge.folder / "node"
    programs.mkdir()
    for name in ("package.json", "bridge.js", "submit.js"):
        (programs / name).write_bytes((CHECKOUT / "examples" / "node" / name).read_bytes())
    (programs / "node_modules").symlink_to(NODE / "node_modules")
    return [str(NODE / "bin" / "node"), str(programs / "submit.js")]


def submit(node: list[str], bridge: SiteBridge, **changes: object) -> tuple[int, list[str], str]:
    """Exit code, the words of the events as they were shown, and all that was said."""
    job = {name: value for name, value in bridge.job(**changes).items() if name != "job_id"}
    file = bridge.folder / "job.json"
    file.write_text(json.dumps(job), encoding="utf-8")
    broker = bridge.settings.broker
    address = f"{broker.host}:{broker.port}/{broker.virtual_host}"
    done = subprocess.run(
        [*node, bridge.name, str(file)],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
        env={
            "PATH": os.environ["PATH"],
            "HPC_BRIDGE_BROKER_URL": f"amqp://{broker.user}:{broker.password}@{address}",
            "HPC_BRIDGE_NAMESPACE": broker.namespace,
        },
    )
    shown = [it.split()[0] for it in done.stdout.splitlines()]
    return done.returncode, [it for it in shown if it != "pending"], done.stdout + done.stderr


def test_a_job_is_submitted_and_followed_from_node(
    site_bridge: SiteBridge, node: list[str]
) -> None:
    code, shown, said = submit(node, site_bridge)
    assert code == 0, said
    assert (shown[0], shown[-1]) == ("accepted", "finished"), said
    assert "started" in shown


def test_node_hears_that_a_job_was_rejected_and_why(
    site_bridge: SiteBridge, node: list[str]
) -> None:
    code, shown, said = submit(node, site_bridge, resources={"nodes": 99})
    assert (code, shown) == (1, ["rejected"]), said
    assert "99" in said
