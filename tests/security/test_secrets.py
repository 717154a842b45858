"""Secrets of the site: byte for byte in the job's environment, and nowhere else.

"Nowhere else" is looked for while the job runs: in the script and the job's folder, in what Slurm
shows of the job, and in the command line of every process of this machine.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from integration.test_scripts import RUNTIMES, Desk, Ended
from site_bridge import Configuration, OpenBridge
from slurm_site import eventually
from testbed import Testbed
from unit.script_jobs import EVIL

from bridge.core.job import JobSpec
from bridge.core.site import Runtime, Secret

CONTENT = "".join(EVIL).replace("\0", "")


class Vault:
    """A folder of the ordinary user, out of every job's sight."""

    def __init__(self, testbed: Testbed, folder: Path) -> None:
        self._testbed = testbed
        self._folder = folder
        folder.mkdir(mode=0o700)
        shutil.chown(folder, testbed.user)

    def keep(self, content: bytes) -> Path:
        file = self._folder / f"it's {uuid4().hex}"
        file.write_bytes(content)
        file.chmod(0o600)
        shutil.chown(file, self._testbed.user)
        return file


@pytest.fixture
def vault(testbed: Testbed) -> Iterator[Vault]:
    folder = testbed.folder / f"vault-{uuid4().hex}"
    yield Vault(testbed, folder)
    shutil.rmtree(folder)


@pytest.fixture
def desk(testbed: Testbed, user_folder: Path, request: pytest.FixtureRequest) -> Desk:
    return Desk(testbed, user_folder, getattr(request, "param", Runtime.APPTAINER))


def keep(desk: Desk, file: Path) -> None:
    secrets = (Secret(reference="key", file=str(file)),)
    desk.settings = replace(desk.settings, site=replace(desk.settings.site, secrets=secrets))


def command_lines() -> bytes:
    """Of every process there is."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            found.append((entry / "cmdline").read_bytes())
        except OSError:
            continue
    return b"\n".join(found)


def everything_in(folder: Path) -> bytes:
    return b"\n".join(it.read_bytes() for it in folder.rglob("*") if it.is_file())


def waiting(desk: Desk, **fields: object) -> JobSpec:
    """Runs until the file `go` is there, then leaves its environment; its name is an argument."""
    return desk.shell(
        "touch ready; until [ -e go ]; do sleep 0.2; done; cat /proc/self/environ >environ",
        "a test's job (1)",
        secrets=(("TOKEN", "key"),),
        **fields,
    )


@pytest.mark.parametrize("desk", RUNTIMES, indirect=True)
def test_a_secret_arrives_byte_for_byte_and_is_nowhere_else(desk: Desk, vault: Vault) -> None:
    token = uuid4().hex
    keep(desk, vault.keep(f"{CONTENT}\n{token}\n".encode()))
    spec = waiting(desk, environment=(("PLAIN", "x y"),))
    slurm_id = desk.submit(spec)
    folder = desk.folder(spec)
    eventually((folder / "ready").exists)
    looked = command_lines()
    shown = desk.call("scontrol", "show", "job", slurm_id)
    shown += desk.call("squeue", "--me", "--noheader", "--format=%all")
    left = everything_in(folder)
    desk.call("touch", str(folder / "go"))
    assert desk.end_of(slurm_id) == Ended(state="COMPLETED", exit_code="0:0")
    assert spec.name.encode() in looked
    for text in (looked, shown.encode(), left):
        assert token.encode() not in text
    pairs = (folder / "environ").read_bytes().split(b"\0")[:-1]
    environment = dict(it.split(b"=", 1) for it in pairs)
    assert environment[b"TOKEN"] == f"{CONTENT}\n{token}".encode()
    assert environment[b"PLAIN"] == b"x y"
    assert not [it for it in environment if it.startswith(b"BRIDGE_SECRET_")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no secret in"),
        (b"a\0b", "has a NUL in it, or is too long"),
        (b"x" * 140_000, "has a NUL in it, or is too long"),
    ],
)
def test_a_secret_that_cannot_be_handed_on_keeps_the_job_from_running(
    desk: Desk, vault: Vault, content: bytes | None, told: str
) -> None:
    file = vault.keep(content or b"")
    if content is None:
        file.unlink()
    keep(desk, file)
    spec = desk.shell("echo ran", secrets=(("TOKEN", "key"),))
    assert desk.run(spec) == Ended(state="FAILED", exit_code="77:0")
    assert desk.printed(spec) == ""
    assert told in desk.printed(spec, "stderr")


def test_no_event_log_or_journal_has_a_secret(open_bridge: OpenBridge, vault: Vault) -> None:
    token = uuid4().hex
    file = vault.keep(f"{token}\n".encode())

    def configure(site: Configuration) -> None:
        site["secrets"] = {"key": {"file": str(file), "users": ["ada"]}}

    bridge = open_bridge(configure)
    count = ["sh", "-c", 'printf %s "$TOKEN" | wc -c']
    refused = bridge.run(*count, secrets={"TOKEN": "key"}, user="bob")
    assert "accepted: none" in str(bridge.last(refused).data.detail)
    job_id = bridge.run(*count, secrets={"TOKEN": "key"}, user="ada")
    data = bridge.last(job_id).data
    assert data.event == "finished"
    assert data.logs is not None
    assert bridge.as_user("cat", data.logs.stdout).strip() == str(len(token))
    told = "\n".join(it.model_dump_json() for it in bridge.events(job_id))
    assert token not in told
    assert "key" not in told
    file.unlink()
    gone = bridge.run(*count, secrets={"TOKEN": "key"}, user="ada")
    data = bridge.last(gone).data
    assert (data.event, data.reason) == ("failed", "refused")
    assert "a secret of the site could not be read" in str(data.detail)
    bridge.stop()
    bridge.start()
    assert token.encode() not in everything_in(bridge.folder)
