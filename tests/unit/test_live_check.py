"""What is looked at beside Slurm and its machine: the journal, local jobs, and which scripts."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from unit.script_jobs import shipped_site
from unit.site_files import SMALLEST, load

from bridge.adapters.clock import SystemClock
from bridge.adapters.local_processes.examination import examine_local_processes
from bridge.adapters.rabbitmq.examination import examine_broker
from bridge.adapters.sqlite_journal import open_journal
from bridge.adapters.sqlite_journal.examination import examine_journal
from bridge.core.finding import Finding, Grade
from bridge.core.settings import BrokerSettings, JournalSettings, SiteSettings
from bridge.core.site import Choices, Limits, Profile
from bridge.live_check import look
from bridge.script_check import plain_scripts


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def broker(port: int) -> BrokerSettings:
    return BrokerSettings(
        host="127.0.0.1", port=port, virtual_host="/", user="ada", password="s3cret"
    )


def by_subject(found: list[Finding]) -> dict[str, Finding]:
    return {it.subject: it for it in found}


# --- the broker


def test_a_broker_that_is_not_there_is_told_without_the_password(closed_port: int) -> None:
    (found,) = examine_broker(broker(closed_port), "here")
    assert found.grade is Grade.WRONG
    assert f"127.0.0.1:{closed_port}" in found.words
    assert "broker.port" in str(found.remedy)
    assert "s3cret" not in f"{found.words}{found.remedy}"


def test_a_certificate_authority_that_cannot_be_read_is_told(closed_port: int) -> None:
    settings = replace(broker(closed_port), tls=True, certificate_authority="/nowhere/ca.pem")
    (found,) = examine_broker(settings, "here")
    assert (found.grade, found.remedy) == (Grade.WRONG, "name a PEM file that can be read")


# --- the journal


def test_a_journal_that_is_to_be_made_is_well_and_is_not_made(tmp_path: Path) -> None:
    settings = JournalSettings(path=str(tmp_path / "journal.sqlite"), disk="local")
    found = by_subject(list(examine_journal(settings)))
    assert {it.grade for it in found.values()} == {Grade.OK}
    assert found["journal lock"].words == "no daemon has it"
    assert list(tmp_path.iterdir()) == []


def test_a_journal_whose_folder_is_not_there_is_wrong(tmp_path: Path) -> None:
    (found,) = examine_journal(JournalSettings(path=f"{tmp_path}/no/journal.sqlite"))
    assert (found.grade, found.remedy) == (Grade.WRONG, f"mkdir -p {tmp_path}/no")


def test_a_journal_that_a_daemon_has_is_a_note_and_stays_the_daemons(tmp_path: Path) -> None:
    settings = JournalSettings(path=str(tmp_path / "journal.sqlite"), disk="local")
    with open_journal(settings, clock=SystemClock()) as journal:
        found = by_subject(list(examine_journal(settings)))
        journal.lock.renew()
    assert found["journal lock"].grade is Grade.NOTE
    assert str(os.getpid()) in found["journal lock"].words
    after = by_subject(list(examine_journal(settings)))
    assert after["journal lock"].grade is Grade.OK


def test_a_network_file_system_is_a_note(tmp_path: Path) -> None:
    settings = JournalSettings(path=str(tmp_path / "journal.sqlite"), disk="network")
    assert by_subject(list(examine_journal(settings)))["journal disk"].grade is Grade.NOTE


# --- which scripts are tried


def scripts(settings: SiteSettings) -> dict[str, str]:
    return dict(plain_scripts(settings))


def test_a_script_is_tried_for_nothing_asked_and_for_each_other_choice() -> None:
    found = scripts(shipped_site("testbed"))
    assert list(found) == [
        "a job that asks for nothing",
        "partition gpu",
        "QOS debug",
        "QOS preempt",
        "account imaging",
    ]
    assert "#SBATCH --partition=gpu\n" in found["partition gpu"]
    assert "#SBATCH --qos=debug\n" in found["QOS debug"]
    assert "#SBATCH --account=imaging\n" in found["account imaging"]


def test_a_script_is_tried_for_each_profile_that_takes_the_least() -> None:
    settings = shipped_site("testbed")
    profiles = (
        Profile(name="fast", partition="gpu", only_by_name=True),
        Profile(name="long", limits=Limits(min_walltime=timedelta(hours=9))),
    )
    site = replace(settings.site, profiles=profiles, choices=Choices())
    found = scripts(replace(settings, site=site))
    assert "#SBATCH --partition=gpu\n" in found["profile fast"]
    assert "#SBATCH --time=09:00:00\n" in found["profile long"]


@pytest.mark.parametrize("pattern", ["/images/*.sif", "/images/[abc]?.sif", "docker://a:*"])
def test_the_image_of_a_sample_is_one_that_the_site_takes(pattern: str) -> None:
    settings = shipped_site("testbed")
    containers = replace(settings.site.containers, images=(pattern,))
    site = replace(settings.site, containers=containers)
    script = scripts(replace(settings, site=site))["a job that asks for nothing"]
    assert "*" not in script.split("container=(")[1].split(")")[0]


# --- local jobs


def test_local_jobs_are_told_with_how_many_and_where(tmp_path: Path) -> None:
    (found,) = examine_local_processes(tmp_path / "jobs", "#!/bin/sh\n", at_once=3)
    assert found.grade is Grade.OK
    assert found.words == f"3 at once, their records in {tmp_path}/jobs"
    assert list(tmp_path.iterdir()) == []


def test_what_local_jobs_cannot_do_is_wrong(tmp_path: Path) -> None:
    script = "#!/bin/sh\n#SBATCH --nodes=2\n"
    (found,) = examine_local_processes(tmp_path / "jobs", script, at_once=3)
    assert found.grade is Grade.WRONG
    assert "--nodes=2 needs Slurm" in found.words


def test_a_file_in_the_place_of_the_records_is_wrong(tmp_path: Path) -> None:
    (found,) = examine_local_processes(tmp_path / "file", "#!/bin/sh\n", at_once=1)
    assert found.grade is Grade.OK
    (tmp_path / "file").touch()
    (found,) = examine_local_processes(tmp_path / "file", "#!/bin/sh\n", at_once=1)
    assert found.grade is Grade.WRONG


def test_a_laptop_is_looked_at_to_the_end_whatever_is_wrong_before(
    tmp_path: Path, closed_port: int
) -> None:
    text = (
        SMALLEST.replace("/var/lib/bridge", f"{tmp_path}/no")
        .replace("/scratch/bridge", str(tmp_path))
        .replace("localhost", f"127.0.0.1\n  port: {closed_port}")
        .replace("runtime: apptainer", "runtime: command")
        + "scheduler:\n  kind: local\nsetup: |\n  if true; then\n"
    )
    found = by_subject(list(look(load(tmp_path, text))))
    bad = [it for it, finding in found.items() if finding.grade is Grade.WRONG]
    assert bad == ["broker", "journal", "script"]
    assert found["work root"].grade is Grade.OK
    assert found["local jobs"].grade is Grade.OK
