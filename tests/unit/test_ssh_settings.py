"""A site's `scheduler.access`, from the YAML file to the settings."""

import subprocess
import sys
from pathlib import Path

import pytest
from unit.script_jobs import shipped_site

from bridge.core.errors import ConfigurationError
from bridge.core.settings import SshSettings
from bridge.sites import load_site

SITE = """\
version: 1
site: {name: here}
broker: {host: localhost, user: bridge, password: "${PASSWORD}"}
journal: {path: /var/lib/bridge/journal.sqlite}
work_root: /scratch/bridge
containers: {runtime: apptainer, images: ["/images/*.sif"]}
defaults: {walltime: 12:00:00}
"""


def access_of(folder: Path, access: str) -> SshSettings | None:
    path = folder / "site.yaml"
    path.write_text(f"{SITE}scheduler:\n{access}", encoding="utf-8")
    return load_site(path, {"PASSWORD": "s3cret"}).scheduler.access


def test_without_the_section_slurm_is_on_this_machine(tmp_path: Path) -> None:
    assert access_of(tmp_path, "  tag_prefix: x\n") is None


def test_a_host_alone_leaves_the_rest_to_ssh_config(tmp_path: Path) -> None:
    assert access_of(tmp_path, "  access: {host: login}\n") == SshSettings(
        host="login",
        port=None,
        user=None,
        key_file=None,
        known_hosts_file=None,
        ssh_config=None,
        jump=(),
        sessions=8,
    )


def test_every_field_is_handed_on(tmp_path: Path) -> None:
    told = access_of(
        tmp_path,
        """\
  access:
    host: login.example.org
    port: 2222
    user: ada
    key_file: /keys/id
    known_hosts_file: /keys/known_hosts
    ssh_config: /keys/config
    jump: [gate.example.org, "ada@inner:2200"]
    sessions: 3
""",
    )
    assert told == SshSettings(
        host="login.example.org",
        port=2222,
        user="ada",
        key_file="/keys/id",
        known_hosts_file="/keys/known_hosts",
        ssh_config="/keys/config",
        jump=("gate.example.org", "ada@inner:2200"),
        sessions=3,
    )


def test_an_unknown_field_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"scheduler\.access\.keyfile: unknown field; did"):
        access_of(tmp_path, "  access: {host: login, keyfile: /keys/id}\n")


def test_the_bridge_over_ssh_and_the_local_one_do_not_meet() -> None:
    local, over_ssh = shipped_site("testbed"), shipped_site("testbed-ssh")
    assert over_ssh.scheduler.access is not None
    assert local.site.work_root != over_ssh.site.work_root
    assert local.journal.path != over_ssh.journal.path
    assert local.site.tag_prefix != over_ssh.site.tag_prefix


def test_without_paramiko_a_site_over_ssh_says_what_is_missing(tmp_path: Path) -> None:
    access_of(tmp_path, "  access: {host: login}\n")
    site = tmp_path / "site.yaml"
    text = site.read_text(encoding="utf-8").replace("/var/lib/bridge", str(tmp_path))
    site.write_text(text, encoding="utf-8")
    program = """\
import sys
import subprocess
import sys
from pathlib import Path
sys.modules["paramiko"] = None
from bridge.core.errors import ConfigurationError
from bridge.sites import load_site
from bridge.wiring import open_daemon
try:
    with open_daemon(load_site(Path(sys.argv[1]), {"PASSWORD": "s3cret"})):
        pass
except ConfigurationError as error:
    print(error)
"""
    argv = [sys.executable, "-c", program, str(site)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said == (
        "scheduler.access: paramiko is not installed; it comes with hpc-batch-bridge[ssh]\n"
    )


def test_a_site_on_this_machine_does_not_need_paramiko() -> None:
    program = "import sys, bridge.wiring; sys.exit('paramiko' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
