"""What only the journal in SQLite has: a file, its schema, its disk, and what outlives a crash."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, NoReturn
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_entries import a_change, a_notice, an_acceptance, numbered_id

from bridge.adapters.sqlite_journal import LockTerms, SqliteJournal, open_journal, statements
from bridge.adapters.sqlite_journal.database import APPLICATION_ID, connect, migrate
from bridge.adapters.sqlite_journal.group_commit import GroupCommit
from bridge.adapters.sqlite_journal.lock import take_lock
from bridge.adapters.sqlite_journal.rows import row_of, write_time
from bridge.adapters.sqlite_journal.statements import MIGRATIONS, SQL
from bridge.core.errors import ConfigurationError, SupersededError, UnavailableError
from bridge.core.facts import SubmissionBegun
from bridge.core.failure import Hindrance
from bridge.core.job import Condition, Dependency, JobId
from bridge.core.lifecycle import Job, Phase
from bridge.core.settings import JournalSettings
from bridge.ports import Acceptance, Admission, Change
from bridge.testing.clock import START, FakeClock

ALL = 10_000
VERSION = len(MIGRATIONS)
FIRST_VERSION = Path(statements.__file__).with_name("migrations") / "0001.sql"


def opened(path: Path, disk: str = "local") -> SqliteJournal:
    clock = FakeClock()
    return open_journal(
        JournalSettings(path=str(path), disk="network" if disk == "network" else "local"),
        clock=clock,
        lock_terms=LockTerms(clock=clock, pause=lambda _: None),
    )


def ask(path: Path, question: str) -> object:
    """One value, by a connection of its own."""
    connection = sqlite3.connect(path)
    try:
        (value,) = connection.execute(question).fetchone()
        return value
    finally:
        connection.close()


def no_lock() -> None:
    """A group commit's `may_write` that never objects."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with opened(path) as it:
        yield it


# Every field of a job comes back


numbers = st.integers(min_value=-(2**63), max_value=2**63 - 1)
zones = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(minutes=330))])
times = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zones are drawn apart
    max_value=datetime(9998, 12, 31),  # noqa: DTZ001
    timezones=zones,
)
maybe_number = st.none() | numbers
maybe_time = st.none() | times
maybe_text = st.none() | st.text()

FIELDS: dict[str, st.SearchStrategy[object]] = {
    "job_id": st.builds(lambda: JobId(str(uuid4()))),
    "accepted_at": times,
    "phase": st.sampled_from(Phase),
    "revision": st.integers(min_value=1, max_value=2**62),
    "sequence": numbers,
    "attempt": numbers,
    "restart": numbers,
    "timeouts": numbers,
    "memory_shortages": numbers,
    "tasks": numbers,
    "tasks_finished": numbers,
    "tasks_failed": numbers,
    "tasks_cancelled": numbers,
    "sweep": st.none() | st.builds(lambda: JobId(str(uuid4()))),
    "task_index": maybe_number,
    "not_before": maybe_time,
    "waits_for": st.lists(
        st.builds(
            Dependency,
            job_id=st.builds(lambda: JobId(str(uuid4()))),
            condition=st.sampled_from(Condition),
        ),
        max_size=3,
    ).map(tuple),
    "cancel_requested_at": maybe_time,
    "slurm_id": st.none() | st.from_regex(r"[0-9]{1,9}(_[0-9]+)?(;\w+)?", fullmatch=True),
    "submitting_since": maybe_time,
    "submitted_at": maybe_time,
    "started_at": maybe_time,
    "ended_at": maybe_time,
    "slurm_started_at": maybe_time,
    "nodes": maybe_text,
    "pending_reason": maybe_text,
    "pulling_since": maybe_time,
    "hindrance": st.none() | st.sampled_from(Hindrance),
    "hindering_mount": maybe_number,
    "container_exit_code": maybe_number,
    "exit_code": maybe_number,
    "signal": maybe_number,
    "absent_since": maybe_time,
    "interrupted_since": maybe_time,
}


def test_the_round_trip_knows_every_field_of_a_job() -> None:
    assert set(FIELDS) == {it.name for it in fields(Job)}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteJournal]:
    with opened(tmp_path_factory.mktemp("shared") / "journal") as it:
        yield it


@settings(deadline=None)
@given(accepted=st.fixed_dictionaries(FIELDS), changed=st.fixed_dictionaries(FIELDS))
def test_every_field_of_a_job_comes_back_as_it_was(
    shared: SqliteJournal, accepted: dict[str, Any], changed: dict[str, Any]
) -> None:
    first = Job(**accepted)
    second = replace(Job(**changed), job_id=first.job_id, revision=first.revision + 1)

    shared.admit([Acceptance(job=first, request=b"", fingerprint="f", messages=())])
    assert shared.jobs([first.job_id]) == (first,)
    assert shared.record([Change(job=second, messages=())]) == ()
    assert shared.jobs([first.job_id]) == (second,)


def test_times_come_back_in_utc(journal: SqliteJournal) -> None:
    in_california = START.astimezone(timezone(timedelta(hours=-8)))
    acceptance = an_acceptance()
    journal.admit([replace(acceptance, job=replace(acceptance.job, accepted_at=in_california))])

    (job,) = journal.waiting(1, now=START)

    assert job.accepted_at.isoformat() == START.isoformat()


def test_a_time_without_a_zone_is_refused(journal: SqliteJournal) -> None:
    acceptance = an_acceptance()
    naive = replace(acceptance.job, accepted_at=datetime(2026, 1, 1))  # noqa: DTZ001

    with pytest.raises(ValueError, match="no time zone"):
        journal.admit([replace(acceptance, job=naive)])


@settings(deadline=None)
@given(one=times, other=times)
def test_written_times_sort_as_times_do(one: datetime, other: datetime) -> None:
    assert (write_time(one) < write_time(other)) == (one < other)


def test_a_person_can_read_the_table(journal: SqliteJournal, path: Path) -> None:
    acceptance = an_acceptance()
    journal.admit([acceptance])
    journal.record([a_change(acceptance.job, SubmissionBegun(at=START))])

    assert ask(path, "SELECT phase FROM jobs") == "submitting"
    assert ask(path, "SELECT submitting_since FROM jobs") == "2026-03-01T12:00:00.000000+00:00"


# The file and its schema


@pytest.mark.parametrize("disk", ["local", "network"])
def test_a_reopened_journal_holds_what_it_held(path: Path, disk: str) -> None:
    with opened(path, disk) as journal:
        journal.admit([an_acceptance(), a_notice()])
        told = journal.unsent(ALL)

    with opened(path, disk) as journal:
        assert journal.waiting(ALL, now=START) == (an_acceptance().job,)
        assert journal.unsent(ALL) == told


@pytest.mark.parametrize(("one", "other"), [("local", "network"), ("network", "local")])
def test_a_journal_moves_between_disks(path: Path, one: str, other: str) -> None:
    with opened(path, one) as journal:
        journal.admit([an_acceptance(1)])
    with opened(path, other) as journal:
        journal.admit([an_acceptance(2)])
        assert len(journal.waiting(ALL, now=START)) == 2
    with opened(path, one) as journal:
        assert len(journal.waiting(ALL, now=START)) == 2


def test_wal_is_used_on_a_local_disk_alone(tmp_path: Path) -> None:
    for disk, mode in (("local", "wal"), ("network", "delete")):
        with opened(tmp_path / disk, disk) as journal:
            journal.admit([an_acceptance()])
            wal = (tmp_path / f"{disk}-wal").exists()
            shared_memory = (tmp_path / f"{disk}-shm").exists()
        assert wal == shared_memory == (disk == "local")
        assert ask(tmp_path / disk, "PRAGMA journal_mode") == mode


def test_on_a_network_disk_nobody_else_gets_at_the_file(path: Path) -> None:
    with opened(path, "network") as journal:
        journal.admit([an_acceptance()])
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT * FROM jobs")
        other.close()


def test_every_connection_syncs_fully_and_keeps_foreign_keys(tmp_path: Path) -> None:
    full = 2
    for network in (True, False):
        connection = connect(tmp_path / str(network), network=network)
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == full
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
        connection.close()


def test_an_empty_file_becomes_a_journal_of_this_version(path: Path) -> None:
    path.touch()

    opened(path).close()

    assert ask(path, "PRAGMA user_version") == VERSION
    assert ask(path, "PRAGMA application_id") == APPLICATION_ID


def test_only_its_owner_may_read_a_journal(path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(path) as journal:
            journal.admit([an_acceptance()])
            modes = {it.name: it.stat().st_mode & 0o777 for it in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


def test_migrations_take_a_journal_from_any_version_to_the_last(path: Path) -> None:
    later = "CREATE TABLE notes (words TEXT); INSERT INTO notes SELECT job_id FROM jobs"
    with opened(path) as journal:
        journal.admit([an_acceptance()])
    connection = connect(path, network=False)

    migrate(connection, [*MIGRATIONS, later])
    migrate(connection, [*MIGRATIONS, later])

    assert [it[0] for it in connection.execute("SELECT words FROM notes")] == [numbered_id(1)]
    connection.close()
    assert ask(path, "PRAGMA user_version") == VERSION + 1


def test_a_journal_of_the_first_version_is_brought_to_this_one(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_VERSION.read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    at = "2026-03-01T12:00:00.000000+00:00"
    for number, phase in enumerate(("accepted", "running", "finished"), start=1):
        connection.execute(
            "INSERT INTO jobs VALUES (?, ?, 'same', ?, '7', 2, 1, NULL, 'n1', NULL, NULL, NULL,"
            " ?, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 5, 3, ?)",
            (number, numbered_id(number), phase, at, at),
        )
        connection.execute("INSERT INTO requests VALUES (?, ?)", (number, b"as it came"))
    connection.execute(
        "INSERT INTO events VALUES (9, 'rejected/1', NULL, 'testbed.rejected', ?, ?, NULL)",
        (b"why", at),
    )
    connection.commit()
    connection.close()

    with opened(path) as journal:
        (waiting,) = journal.waiting(ALL, now=START)
        (running,) = journal.live()
        assert (waiting.job_id, running.job_id) == (numbered_id(1), numbered_id(2))
        assert (running.attempt, running.restart, running.revision, running.sequence) == (
            2,
            1,
            5,
            3,
        )
        assert (running.timeouts, running.memory_shortages) == (0, 0)
        assert running.not_before is running.cancel_requested_at is None
        assert running.waits_for == ()
        assert journal.request(numbered_id(2)) == b"as it came"
        assert journal.admit([an_acceptance(3)]) == (Admission.DUPLICATE,)
        assert [it.position for it in journal.unsent(ALL)] == [9]
        assert journal.last_notice(["testbed.rejected"]) == "testbed.rejected"
        journal.remember_cancel(numbered_id(2), at=START)
        assert journal.record([a_change(waiting, SubmissionBegun(at=START))]) == ()
    assert ask(path, "PRAGMA user_version") == VERSION
    assert ask(path, "PRAGMA integrity_check") == "ok"


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    connection = connect(path, network=False)
    halfway = "CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO nothing VALUES (1)"

    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(connection, ["CREATE TABLE kept (x)", halfway])

    names = [it[0] for it in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert names == ["kept"]
    assert ask(path, "PRAGMA user_version") == 1


def test_a_journal_of_a_newer_version_is_refused(path: Path) -> None:
    opened(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()

    with pytest.raises(ConfigurationError, match=f"version {VERSION + 1}, made by a newer bridge"):
        opened(path)


def test_somebody_elses_sqlite_file_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(ConfigurationError, match="not a journal"):
        opened(path)

    assert path.read_bytes() == before


def test_a_file_that_is_not_sqlite_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("site: testbed\n" * 100)

    with pytest.raises(ConfigurationError, match="not even a SQLite file"):
        opened(path)

    assert path.read_text() == "site: testbed\n" * 100


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"journal.path: the folder .*absent does not exist"
    ):
        opened(tmp_path / "absent" / "journal")

    assert not (tmp_path / "absent").exists()


def test_a_folder_in_the_journals_place_is_refused(path: Path) -> None:
    path.mkdir()

    with pytest.raises(ConfigurationError, match="cannot be opened: Is a directory"):
        opened(path)


def test_a_refused_journal_keeps_no_lock(path: Path) -> None:
    path.write_text("no journal" * 100)
    with pytest.raises(ConfigurationError):
        opened(path)
    path.unlink()

    opened(path).close()


def test_a_second_journal_on_the_same_file_is_refused(journal: SqliteJournal, path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"in use by process {os.getpid()} on"):
        opened(path)

    assert journal.admit([an_acceptance()]) == (Admission.RECORDED,)


def test_a_journal_whose_lock_is_lost_writes_nothing_more(
    journal: SqliteJournal, path: Path
) -> None:
    journal.admit([an_acceptance(1)])
    path.with_name(f"{path.name}.lock").unlink()

    with pytest.raises(SupersededError):
        journal.lock.renew()

    with pytest.raises(SupersededError):
        journal.admit([an_acceptance(2)])
    with pytest.raises(SupersededError):
        journal.mark_sent([1])
    assert len(journal.waiting(ALL, now=START)) == len(journal.unsent(ALL)) == 1


# Every question is answered by an index


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("waiting", "jobs_waiting"),
        ("live", "jobs_live"),
        ("blocked", "jobs_blocked"),
        ("pulling", "jobs_pulling"),
        ("endings", "dependencies_ended"),
        ("unknown_for_long", "dependencies_unknown"),
        ("unsent", "events_unsent"),
        ("prune_jobs", "jobs_over"),
        ("cancelling", "jobs_cancelling"),
        ("prune_notices", "notices_sent"),
        ("prune_cancels", "cancels_by_age"),
    ],
)
def test_a_list_comes_from_an_index_that_holds_it_alone(
    path: Path, journal: SqliteJournal, statement: str, index: str
) -> None:
    journal.admit([an_acceptance()])

    plan = _plan(path, statement)

    assert f"INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("statement", sorted(SQL))
def test_no_statement_reads_a_whole_table(
    path: Path, journal: SqliteJournal, statement: str
) -> None:
    journal.admit([an_acceptance()])
    partial_indexes = (
        *("jobs_waiting", "jobs_live", "jobs_blocked", "jobs_cancelling", "jobs_running"),
        "jobs_pulling",
        "events_unsent",
        "dependencies_ended",
    )
    small = (*partial_indexes, "CONSTANT ROW", "cancels_by_age")

    scans = [it for it in _plan(path, statement).splitlines() if it.startswith("SCAN")]

    assert all(it.endswith(small) or "json_each" in it for it in scans), scans


def _plan(path: Path, statement: str) -> str:
    texts = (
        *("fingerprint", "changed_at", "body", "event_id", "routing_key", "recorded_at"),
        *("before", "sent_at", "job_ids", "requested_at", "now", "furthest"),
        "latest_change",
        *("routing_keys", "rejected_job", "unknown_before", "reply_to", "correlation_id"),
    )
    parameters = row_of(an_acceptance().job) | dict.fromkeys(texts, "[]")
    parameters |= {"limit": 1, "position": 1, "told_before": 0, "after": 0}
    parameters |= {"was": 0, "told": 1, "read_to": 1, "known": b""}
    connection = sqlite3.connect(path)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {SQL[statement]}", parameters).fetchall()
    connection.close()
    return "\n".join(it[3] for it in rows)


# What a crash and a bad disk leave


@pytest.mark.parametrize("disk", ["local", "network"])
def test_everything_that_was_confirmed_outlives_a_kill(path: Path, disk: str) -> None:
    confirmed: list[int] = []
    for _ in range(3):
        confirmed.extend(_admit_until_killed(path, disk, at_least=40))
    with opened(path, disk) as journal:
        found = {it.job_id for it in journal.waiting(ALL, now=START)}
        told = {it.message.event_id for it in journal.unsent(ALL)}
        requests = {journal.request(it) for it in found}

    assert {numbered_id(it) for it in confirmed} <= found
    assert told == {f"{it}/1" for it in found}
    assert len(requests) == len(found)
    assert ask(path, "PRAGMA integrity_check") == "ok"


def _admit_until_killed(path: Path, disk: str, *, at_least: int) -> list[int]:
    child = Path(__file__).with_name("journal_child.py")
    with subprocess.Popen(
        [sys.executable, child, path, disk],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(at_least)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    # The last line may be cut off: it was not confirmed.
    return [int(it) for it in lines if it.endswith("\n")]


def test_a_full_disk_is_told_and_leaves_no_half_of_a_record(path: Path) -> None:
    connection = connect(path, network=False)
    migrate(connection, MIGRATIONS)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    # SQLite says "database or disk is full" at this size just as it does at the disk's end.
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    journal = _journal_on(connection, path)
    admitted: list[Admission] = []

    with pytest.raises(UnavailableError, match="full"):
        _admit_while_it_works(journal, admitted)

    assert admitted
    assert len(journal.waiting(ALL, now=START)) == len(admitted)
    assert len(journal.unsent(ALL)) == 2 * len(admitted)
    assert all(journal.request(numbered_id(it)) for it in range(len(admitted)))
    journal.close()


def _admit_while_it_works(journal: SqliteJournal, admitted: list[Admission]) -> NoReturn:
    while True:
        number = len(admitted)
        job = an_acceptance(number, request=b"x" * 9000)
        admitted.append(journal.admit([job, a_notice(str(number))])[0])


def test_a_journal_goes_on_when_there_is_room_again(path: Path) -> None:
    connection = connect(path, network=False)
    migrate(connection, MIGRATIONS)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    journal = _journal_on(connection, path)
    big = an_acceptance(1, request=b"x" * 50_000)
    with pytest.raises(UnavailableError, match="full"):
        journal.admit([big])
    connection.execute(f"PRAGMA max_page_count = {pages + 100}")

    assert journal.admit([big]) == (Admission.RECORDED,)
    journal.close()


def test_a_corrupt_journal_is_told(path: Path) -> None:
    opened(path).close()
    schema = path.stat().st_size
    with opened(path) as journal:
        journal.admit([an_acceptance(it, request=b"x" * 3000) for it in range(100)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(schema)
        file.write(b"\xa5" * (size - schema))

    with opened(path) as journal:
        with pytest.raises(UnavailableError, match="malformed"):
            journal.waiting(ALL, now=START)
        with pytest.raises(UnavailableError, match="malformed"):
            journal.admit([an_acceptance(1000)])


def _journal_on(connection: sqlite3.Connection, path: Path) -> SqliteJournal:
    clock = FakeClock()
    lock = take_lock(path, network=False, terms=LockTerms(clock=clock))
    return SqliteJournal(connection, path=path, network=False, clock=clock, lock=lock)


# One thread writes for all


@pytest.fixture
def group(path: Path) -> Iterator[GroupCommit]:
    connection = connect(path, network=False)
    connection.execute("CREATE TABLE words (word TEXT UNIQUE)")
    group = GroupCommit(connection, name="words", may_write=no_lock)
    yield group
    group.close()


def _add(word: str, connection: sqlite3.Connection) -> str:
    connection.execute("INSERT INTO words VALUES (?)", (word,))
    return word


def _words(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {it[0] for it in connection.execute("SELECT word FROM words")}
    finally:
        connection.close()


def _together(
    group: GroupCommit, works: list[Callable[[sqlite3.Connection], object]]
) -> list[object]:
    """What became of works that all waited while the writer was busy: value or error of each."""
    busy, go = Event(), Event()

    def hold(_: sqlite3.Connection) -> None:
        busy.set()
        go.wait()

    outcomes: list[object] = [None] * len(works)

    def attempt(number: int) -> None:
        try:
            outcomes[number] = group.run(works[number])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what became of it
            outcomes[number] = error

    holder = Thread(target=group.run, args=(hold,))
    holder.start()
    busy.wait()
    threads = [Thread(target=attempt, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    while group._waiting.qsize() < len(works):
        threads[0].join(0.001)
    go.set()
    for thread in [holder, *threads]:
        thread.join()
    return outcomes


def test_calls_that_wait_together_are_one_transaction(group: GroupCommit, path: Path) -> None:
    seen: list[set[str]] = []

    def look(connection: sqlite3.Connection) -> str:
        seen.append(_words(path))
        return _add(f"word {len(seen)}", connection)

    outcomes = _together(group, [look] * 5)

    assert seen == [set()] * 5, "none was committed before the last was written"
    assert sorted(map(str, outcomes)) == [f"word {it}" for it in range(1, 6)]
    assert _words(path) == {f"word {it}" for it in range(1, 6)}


def test_a_call_that_fails_is_undone_and_its_neighbours_are_not(
    group: GroupCommit, path: Path
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        _add("gone", connection)
        raise ValueError("no")

    outcomes = _together(group, [partial(_add, "a"), fail, partial(_add, "b")])

    assert [outcomes[0], outcomes[2]] == ["a", "b"]
    assert isinstance(outcomes[1], ValueError)
    assert _words(path) == {"a", "b"}


def test_a_call_that_undoes_the_transaction_does_not_fail_its_neighbours(
    group: GroupCommit, path: Path
) -> None:
    def undo(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR ROLLBACK INTO words VALUES ('a'), ('c'), ('c')")

    def storage_fails(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    works: list[Callable[[sqlite3.Connection], object]] = [
        partial(_add, "a"),
        storage_fails,
        undo,
        partial(_add, "b"),
    ]
    outcomes = _together(group, works)

    assert [outcomes[0], outcomes[3]] == ["a", "b"]
    assert isinstance(outcomes[1], UnavailableError)
    assert "disk I/O error" in str(outcomes[1])
    assert isinstance(outcomes[2], UnavailableError)
    assert _words(path) == {"a", "b"}


def test_closing_commits_what_waits(path: Path) -> None:
    connection = connect(path, network=False)
    connection.execute("CREATE TABLE words (word TEXT UNIQUE)")
    group = GroupCommit(connection, name="words", may_write=no_lock)
    busy, go = Event(), Event()

    def hold(_: sqlite3.Connection) -> None:
        busy.set()
        go.wait()

    threads = [Thread(target=group.run, args=(hold,))]
    threads[0].start()
    busy.wait()
    threads += [Thread(target=group.run, args=(partial(_add, f"{it}"),)) for it in range(300)]
    for thread in threads[1:]:
        thread.start()
    while group._waiting.qsize() < 300:
        threads[0].join(0.001)
    closing = Thread(target=group.close)
    closing.start()
    go.set()
    for thread in [*threads, closing]:
        thread.join()

    assert _words(path) == {f"{it}" for it in range(300)}
    with pytest.raises(UnavailableError, match="closed"):
        group.run(partial(_add, "late"))


def test_nothing_is_written_that_may_not_be(path: Path) -> None:
    def objects() -> None:
        raise SupersededError("taken over")

    connection = connect(path, network=False)
    connection.execute("CREATE TABLE words (word TEXT UNIQUE)")
    group = GroupCommit(connection, name="words", may_write=objects)

    for word in ("a", "b"):
        with pytest.raises(SupersededError):
            group.run(partial(_add, word))
    group.close()

    assert _words(path) == set()


def test_what_sqlite_cannot_hold_fails_its_own_call_alone(journal: SqliteJournal) -> None:
    acceptance = an_acceptance(1)
    too_big = replace(acceptance, job=replace(acceptance.job, exit_code=2**63))

    with pytest.raises(OverflowError):
        journal.admit([too_big])

    assert journal.admit([an_acceptance(1)]) == (Admission.RECORDED,)
