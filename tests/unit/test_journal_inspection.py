"""Looking into a real journal: beside its daemon, and when it is damaged."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from journal_entries import numbered_id
from unit.house import House, job_id, message

from bridge.adapters.sqlite_journal import (
    LockTerms,
    SqliteJournal,
    inspect_journal,
    open_journal,
)
from bridge.core.audit import History
from bridge.core.errors import ConfigurationError, UnavailableError
from bridge.core.lifecycle import Job, Phase
from bridge.core.settings import JournalSettings
from bridge.flows.verify import verify
from bridge.ports import Acceptance, Notice
from bridge.testing.clock import START, FakeClock
from bridge.wire.export import as_text, head, line_of_cancel, line_of_event, lines_of


@pytest.fixture
def settings(tmp_path: Path) -> JournalSettings:
    return JournalSettings(path=str(tmp_path / "journal.sqlite"), disk="local")


def opened(settings: JournalSettings) -> SqliteJournal:
    clock = FakeClock()
    terms = LockTerms(clock=clock, pause=lambda _: None)
    return open_journal(settings, clock=clock, lock_terms=terms)


def fill(journal: SqliteJournal) -> None:
    """One job that is over, one to be submitted, a notice, a cancel, and one that waits."""
    played = House()
    finished = played.queued_job(1)
    played.cluster.start(finished)
    played.watch.look()
    played.cluster.end(finished)
    played.watch.look()
    played.receive(message(2))
    played.receive(b"no job")
    told = [it.message for it in played.journal.unsent(100)]
    for number in (1, 2):
        acceptance = Acceptance(
            job=played.job(number),
            request=message(number),
            fingerprint="f",
            messages=tuple(it for it in told if it.event_id.startswith(job_id(number))),
        )
        journal.admit([acceptance])
    journal.admit([Notice(message=it) for it in told if it.event_id.startswith("rejected")])
    journal.remember_cancel(numbered_id(9), at=START)
    journal.mark_sent([1, 2])
    played.receive(message(3, depends_on=[job_id(2)]))
    told = [it.message for it in played.journal.unsent(100)]
    journal.admit(
        [
            Acceptance(
                job=played.job(3),
                request=message(3, depends_on=[job_id(2)]),
                fingerprint="f",
                messages=tuple(it for it in told if it.event_id.startswith(job_id(3))),
            )
        ]
    )


@pytest.fixture
def journal(settings: JournalSettings) -> Iterator[SqliteJournal]:
    with opened(settings) as it:
        fill(it)
        yield it


def wrong(settings: JournalSettings) -> list[str]:
    with inspect_journal(settings) as inspection:
        return list(verify(inspection))


def spoil(settings: JournalSettings, *statements: str) -> None:
    connection = sqlite3.connect(settings.path)
    for it in statements:
        connection.execute(it)
    connection.commit()
    connection.close()


def test_it_is_looked_into_while_its_daemon_writes(
    settings: JournalSettings, journal: SqliteJournal
) -> None:
    with inspect_journal(settings) as inspection:
        journal.mark_sent([3])
        counts, unsent = inspection.phases(), inspection.unsent()
        history = inspection.history(job_id(1))

    assert set(counts) == set(Phase)
    assert (counts[Phase.FINISHED], counts[Phase.ACCEPTED], counts[Phase.RUNNING]) == (1, 1, 0)
    assert unsent == (6, START), "as it was when the look began"
    assert isinstance(history, History)
    assert history.job.phase is Phase.FINISHED
    assert history.request == message(1)
    assert [it.routing_key for it in history.events] == [
        "testbed.accepted",
        "testbed.queued",
        "testbed.started",
        "testbed.finished",
    ]
    assert [it.sent_at for it in history.events] == [START, START, None, None]


@pytest.mark.usefixtures("journal")
def test_nothing_is_known_of_a_job_that_is_not_there(settings: JournalSettings) -> None:
    with inspect_journal(settings) as inspection:
        assert inspection.history(numbered_id(9)) is None
        assert inspection.cancel(job_id(1)) is None
        cancel = inspection.cancel(numbered_id(9))

    assert cancel is not None
    assert cancel.requested_at == START


@pytest.mark.usefixtures("journal")
def test_it_cannot_be_written_to(settings: JournalSettings) -> None:
    with (
        inspect_journal(settings) as inspection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        inspection._connection.execute("DELETE FROM jobs")


def test_on_a_network_file_system_the_daemon_keeps_it_to_itself(tmp_path: Path) -> None:
    settings = JournalSettings(path=str(tmp_path / "journal.sqlite"), disk="network")
    with opened(settings) as journal:
        fill(journal)
        with (
            pytest.raises(UnavailableError, match="stop the daemon to look into it"),
            inspect_journal(settings),
        ):
            pass

    assert wrong(settings) == []


def test_a_journal_that_is_not_there_is_not_made(settings: JournalSettings) -> None:
    with (
        pytest.raises(ConfigurationError, match="there is no journal at"),
        inspect_journal(settings),
    ):
        pass

    assert not Path(settings.path).exists()


def test_a_journal_of_an_older_version_is_named(
    settings: JournalSettings, journal: SqliteJournal
) -> None:
    journal.close()
    spoil(settings, "PRAGMA user_version = 1")

    with pytest.raises(ConfigurationError, match="has version 1"), inspect_journal(settings):
        pass


@pytest.mark.usefixtures("journal")
def test_a_sound_journal_has_nothing_wrong(settings: JournalSettings) -> None:
    assert wrong(settings) == []


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE jobs SET phase = 'running' WHERE number = 1", "its last event is finished, and"),
        ("UPDATE jobs SET phase = 'exploded' WHERE number = 1", "its rows cannot be read"),
        ("UPDATE jobs SET accepted_at = 'noon' WHERE number = 1", "its rows cannot be read"),
        ("DELETE FROM requests WHERE job = 2", "the message it came with is missing"),
        ("DELETE FROM events WHERE position = 2", f"where the event {job_id(1)}/2 should stand"),
        ("UPDATE events SET body = 'x' WHERE position = 2", "its body is no status event"),
        (
            "UPDATE events SET body = (SELECT body FROM events WHERE position=5) WHERE position=1",
            f"its body bears the id {job_id(2)}/1",
        ),
        (
            "UPDATE events SET routing_key = 'testbed.held' WHERE position = 2",
            "its body tells queued, its routing key held",
        ),
        ("UPDATE events SET recorded_at = 'x' WHERE job IS NULL", "its row cannot be read"),
        ("DELETE FROM jobs WHERE number = 1", "its row of jobs is missing"),
        ("DROP INDEX jobs_waiting", "the index jobs_waiting is missing"),
        ("UPDATE jobs SET waits_for = '{}' WHERE number = 3", "the rows of what it waits for"),
        ("DELETE FROM dependencies", f"job {job_id(3)}: the rows of what it waits for"),
        ("UPDATE jobs SET waits_for = '{' WHERE number = 3", "the rows of what it waits for"),
        (
            "UPDATE jobs SET phase = 'accepted' WHERE number = 3",
            f"it is accepted, and waits for the job {job_id(2)}",
        ),
        ("CREATE TABLE theirs (x)", "the table theirs is not ours"),
        ("ALTER TABLE cancels ADD COLUMN x", "the table cancels is not as it should be"),
    ],
)
def test_what_somebody_changed_by_hand_is_told(
    settings: JournalSettings, statement: str, words: str
) -> None:
    spoil(settings, statement)

    told = wrong(settings)

    assert told
    assert all(words in it for it in told), told


def test_a_damaged_file_is_told(settings: JournalSettings, journal: SqliteJournal) -> None:
    journal.close()
    path = Path(settings.path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size - 3 * 4096)
        file.write(b"\xa5" * 3 * 4096)

    told = wrong(settings)

    assert told
    assert all(it.startswith("SQLite: ") for it in told)


@pytest.mark.usefixtures("journal")
def test_everything_is_exported_as_json_lines(settings: JournalSettings) -> None:
    with inspect_journal(settings) as inspection:
        histories = [it for it in inspection.histories() if isinstance(it, History)]
        notices = [it for it in inspection.notices() if not isinstance(it, str)]
        lines = [head(site="testbed", schema_version=2, at=START)]
        lines += [line for it in histories for line in lines_of(it)]
        lines += [line_of_event(it, None) for it in notices]
        lines += map(line_of_cancel, inspection.cancels())
    read = [json.loads(as_text(it)) for it in lines]

    assert [it["type"] for it in read] == (
        ["journal", "job", *["event"] * 4, "job", "event", "job", *["event"] * 3, "cancel"]
    )
    assert set(read[1]) == {it.name for it in fields(Job)} | {
        "type",
        "told_before",
        "changed_at",
        "request",
    }
    assert (read[1]["phase"], read[1]["accepted_at"]) == ("finished", START.isoformat())
    assert json.loads(read[1]["request"]) == json.loads(message(1))
    assert read[2]["event_id"] == f"{job_id(1)}/1"
    assert json.loads(read[2]["body"])["data"]["event"] == "accepted"
    assert read[8]["waits_for"] == {job_id(2): "afterok"}
    assert read[11]["job_id"] is None
    assert read[12]["requested_at"] == START.isoformat()
