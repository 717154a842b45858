"""The daemon as it is put together for a site: all of it real but Slurm and the broker."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rabbitmq_management import until
from unit.beside import ImpatientQueue, run_beside
from unit.house import job_id, message

from bridge.core.errors import ConfigurationError
from bridge.core.job import SlurmId
from bridge.core.settings import SiteSettings
from bridge.daemon import Daemon
from bridge.sites import load_site
from bridge.testing.broker import FakeReturnChannel, FakeStatusExchange
from bridge.testing.cluster import FakeCluster
from bridge.testing.slurm import FakeSlurm
from bridge.wire.control import cancel_message
from bridge.wiring import World, open_daemon

SITE = """\
version: 1
site:
  name: here
broker:
  host: 127.0.0.1
  port: {port}
  user: bridge
  password: ${{PASSWORD}}
journal:
  path: {folder}/journal.sqlite
work_root: {folder}
containers:
  runtime: apptainer
  images:
    - /images/*.sif
defaults:
  walltime: 01:00:00
  partition: cpu
polling:
  shortest: 1s
  longest: 1s
  marks: 50ms
scheduler:
  queries_per_minute: 120
"""


class Outside:
    """Slurm, and the broker's part of the world."""

    def __init__(self) -> None:
        self.jobs = ImpatientQueue()
        self.control = ImpatientQueue()
        self.questions = ImpatientQueue()
        self.channel = FakeReturnChannel()
        self.events = FakeStatusExchange()
        self._slurm: FakeSlurm | None = None

    @property
    def slurm(self) -> FakeSlurm:
        """There from the first time that a daemon is opened, and the same ever after."""
        assert self._slurm is not None
        return self._slurm

    @property
    def cluster(self) -> FakeCluster:
        return self.slurm.cluster

    def dress(self, world: World) -> World:
        """The world with these parts in place of the real ones."""
        if self._slurm is None:
            self._slurm = FakeSlurm(FakeCluster(world.clock))
        return replace(
            world,
            scheduler=self.slurm,
            jobs=self.jobs,
            control=self.control,
            questions=self.questions,
            channel=self.channel,
            events=self.events,
        )

    def tells(self, *words: str) -> None:
        """Wait until these events, and no others, have gone out."""

        def told() -> list[str]:
            return [it.routing_key.removeprefix("here.") for it in self.events.published]

        assert until(lambda: told() == list(words)), told()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[SiteSettings]:
    """A site whose broker is not there: nobody listens at its port."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        path = tmp_path / "site.yaml"
        path.write_text(SITE.format(folder=tmp_path, port=port))
        yield load_site(path, {"PASSWORD": "s3cret"})


@contextmanager
def opened(settings: SiteSettings, outside: Outside) -> Iterator[Daemon]:
    with open_daemon(settings, dress=outside.dress) as daemon:
        yield daemon


def test_a_message_becomes_the_sites_script_and_its_end_is_noted_in_the_jobs_folder(
    settings: SiteSettings, tmp_path: Path
) -> None:
    outside = Outside()

    def story() -> None:
        outside.jobs.put(message(params={"rate": 0.5}))
        outside.tells("accepted", "queued")
        outside.cluster.start(SlurmId("1"))
        outside.tells("accepted", "queued", "started")
        outside.cluster.end(SlurmId("1"))
        outside.tells("accepted", "queued", "started", "finished")

    with opened(settings, outside) as daemon:
        assert run_beside(daemon, story)
    folder = tmp_path / job_id(1)
    script = outside.cluster.scripts[SlurmId("1")]
    assert f"#SBATCH --job-name=hpc-bridge-{job_id(1)}-1\n" in script
    assert "#SBATCH --partition=cpu\n" in script
    assert (folder / "attempt-1.sbatch").read_text() == script
    assert (folder / "params.yaml").read_text() == "rate: 0.5\n"
    assert json.loads((folder / "job.json").read_text())["job_id"] == job_id(1)
    assert json.loads((folder / "outcome.json").read_text())["event"] == "finished"


def test_what_no_script_can_be_written_for_is_rejected_before_it_is_a_job(
    settings: SiteSettings,
) -> None:
    outside = Outside()

    def story() -> None:
        outside.jobs.put(message(image="/elsewhere/x.sif"))
        outside.tells("rejected")

    with opened(settings, outside) as daemon:
        assert run_beside(daemon, story)
    assert outside.cluster.scripts == {}
    assert len(outside.jobs.dead_letters) == 1


def test_a_job_that_the_file_of_today_does_not_take_fails_without_another_attempt(
    settings: SiteSettings,
) -> None:
    outside = Outside()
    retry = {"attempts": 3, "reasons": ["timeout"]}

    def as_the_site_was() -> None:
        outside.jobs.put(message(site="here", retry=retry))
        outside.tells("accepted", "queued")

    def as_the_site_is() -> None:
        outside.cluster.start(SlurmId("1"))
        outside.cluster.end_as(SlurmId("1"), "TIMEOUT")
        assert until(lambda: outside.events.published[-1].routing_key == "there.failed")

    with opened(settings, outside) as daemon:
        assert run_beside(daemon, as_the_site_was)
    renamed = replace(settings, site=replace(settings.site, name="there"))
    with opened(renamed, outside) as daemon:
        assert run_beside(daemon, as_the_site_is)


def test_a_failed_attempt_is_followed_by_another_with_more_time(settings: SiteSettings) -> None:
    outside = Outside()
    retry = {"attempts": 2, "reasons": ["timeout"], "wait": "1s", "walltime_factor": 2}

    def story() -> None:
        outside.jobs.put(message(retry=retry, resources={"walltime": "00:10:00"}))
        outside.tells("accepted", "queued")
        outside.cluster.start(SlurmId("1"))
        outside.cluster.end_as(SlurmId("1"), "TIMEOUT")
        outside.tells("accepted", "queued", "started", "retrying")
        assert until(is_resubmitted)

    with opened(settings, outside) as daemon:

        def is_resubmitted() -> bool:
            daemon._submit.wake()  # as if the time until it looks by itself were over
            return SlurmId("2") in outside.cluster.scripts

        assert run_beside(daemon, story)
    first, second = (outside.cluster.scripts[SlurmId(it)] for it in ("1", "2"))
    assert "#SBATCH --time=00:10:00\n" in first
    assert "#SBATCH --time=00:20:00\n" in second
    assert f"--job-name=hpc-bridge-{job_id(1)}-2\n" in second


def test_a_cancel_reaches_slurm(settings: SiteSettings) -> None:
    outside = Outside()

    def story() -> None:
        outside.jobs.put(message())
        outside.tells("accepted", "queued")
        outside.control.put(cancel_message(job_id(1)))
        outside.tells("accepted", "queued", "cancelled")

    with opened(settings, outside) as daemon:
        assert run_beside(daemon, story)
    assert "cancel" in outside.slurm.calls


def test_the_next_daemon_finds_what_the_last_one_left(settings: SiteSettings) -> None:
    first, second = Outside(), Outside()

    def begin() -> None:
        first.jobs.put(message())
        first.tells("accepted", "queued")

    def go_on() -> None:
        second.jobs.put(message())
        assert until(lambda: len(second.jobs.acked) == 1)

    with opened(settings, first) as daemon:
        assert run_beside(daemon, begin)
    with opened(settings, second) as daemon:
        assert run_beside(daemon, go_on)
    assert second.cluster.scripts == {}


def test_a_journal_that_a_daemon_has_is_not_opened_twice(settings: SiteSettings) -> None:
    with (
        opened(settings, Outside()),
        pytest.raises(ConfigurationError, match="journal"),
        opened(settings, Outside()),
    ):
        pass


def test_without_a_broker_the_daemon_waits_and_ends_cleanly(settings: SiteSettings) -> None:
    with open_daemon(settings) as daemon:
        assert run_beside(daemon, lambda: None)
