"""The board: whatever the order of events, one truth; whatever the page, a moment."""

import multiprocessing
import random
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, TextClause, update
from sqlalchemy import text as text_of
from unit.board_events import of_sweep, progress, told
from unit.builders import (
    Story,
    at,
    begun,
    cancel,
    queued,
    refused,
    running,
    seen,
)
from unit.house import job_id

from bridge.client.board import Board, BoardJob, JobFilter, JobSort, UserState, schema
from bridge.core.errors import ConfigurationError, InvalidRequestError, Problem, UnavailableError
from bridge.core.failure import FailureReason
from bridge.core.lifecycle import EventKind
from bridge.core.retry import RetryPolicy
from bridge.wire.event import CloudEvent, EventData, decode, encode_rejection, encode_site_event

COMPLETED = seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1")
RETRIES = RetryPolicy(attempts=2, reasons=frozenset({FailureReason.TIMEOUT}))
STORIES = {
    "waits": queued(seen("PENDING", 3, reason="Priority")),
    "runs": running(),
    "is done": running(COMPLETED),
    "fails": running(seen("FAILED", 9, code=3, start=3, end=8, nodes="n1")),
    "is refused": Story(begun(), refused()),
    "is stopped early": queued(cancel(3), seen("CANCELLED", 4)),
    "is stopped late": running(cancel(5), seen("CANCELLED", 6, start=3, end=6)),
    "is requeued": running(seen("PENDING", 6), seen("RUNNING", 7, start=7, nodes="n2")),
    "is tried again": running(
        seen("TIMEOUT", 9, start=3, end=8, nodes="n1"), begun(12), policy=RETRIES
    ),
}

# Python 3.12 warns of every fork beside a thread; that children may use the board is our promise.
FORKS = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board.sqlite"


def known(board: Board, number: int = 1) -> BoardJob:
    found = board.job(job_id(number))
    assert found is not None
    return found


def crowd(*, sites: int = 2) -> list[CloudEvent]:
    """Jobs 1, 2, 3...: one of each story, a minute later each, at one site after the other."""
    return [
        event
        for number, story in enumerate(STORIES.values(), start=1)
        for event in told(
            story,
            number,
            site_name=f"site-{number % sites}",
            later=number,
            name=f"job {number}",
            user="ada" if number % 3 else "bob",
            labels=(("experiment", str(number % 2)),),
        )
    ]


def everything(board: Board) -> object:
    """All that pages can see."""
    jobs = board.jobs(size=1000).jobs
    return (
        jobs,
        [board.attempts(it.job_id) for it in jobs],
        [board.events(it.job_id) for it in jobs],
        [board.progress(it.job_id) for it in jobs],
        board.sites(),
        board.counts(),
    )


def rejection(number: int | None, words: str = "unknown field") -> CloudEvent:
    message = encode_rejection(
        site="testbed",
        at=at(1),
        body=f"{number} {words}".encode(),
        job_id=None if number is None else job_id(number),
        problems=(Problem(where="color", what=words),),
    )
    return decode(message.body)


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ("waits", "queued"),
        ("runs", "running"),
        ("is done", "complete"),
        ("fails", "failed"),
        ("is refused", "failed"),
        ("is stopped early", "cancelled"),
        ("is stopped late", "terminated"),
        ("is requeued", "running"),
        ("is tried again", "queued"),
    ],
)
def test_a_job_is_shown_in_the_words_that_people_know(board: Board, story: str, state: str) -> None:
    board.record(told(STORIES[story]))
    assert known(board).state == state


def test_a_job_shows_what_was_asked_for_and_what_is_known_of_it(board: Board) -> None:
    board.record(
        told(
            STORIES["fails"],
            name="high-res",
            user="ada",
            labels=(("experiment", "7"), ("dataset", "sand")),
        )
    )
    job = known(board)
    assert (job.name, job.kind, job.image, job.user) == (
        "high-res",
        "training",
        "/images/sklearn.sif",
        "ada",
    )
    assert job.labels == {"experiment": "7", "dataset": "sand"}
    assert job.request["name"] == "high-res"
    assert (job.site, job.slurm_id, job.nodes) == ("testbed", "4711", "n1")
    assert (job.accepted_at, job.started_at, job.ended_at) == (at(0), at(3), at(8))
    assert (job.reason, job.exit_code) == ("exit-code", 3)
    assert job.detail is not None
    assert job.stdout == f"/work/bridge/{job_id(1)}/stdout"
    assert (job.last_event, job.updated_at) == (EventKind.FAILED, at(9))


def test_a_waiting_job_says_why_it_waits(board: Board) -> None:
    board.record(told(STORIES["waits"]))
    assert known(board).pending_reason == "Priority"


def test_a_job_nobody_has_told_of_is_not_known(board: Board) -> None:
    assert board.job(job_id(1)) is None
    assert board.attempts(job_id(1)) == ()
    assert board.events(job_id(1)) == ()


def test_events_that_come_twice_change_nothing(board: Board) -> None:
    events = crowd()
    assert board.record(events) == len(events)
    before = everything(board)
    assert board.record(events) == 0
    assert board.record([*events[3:], *events[:3], *events]) == 0
    assert everything(board) == before


def test_an_event_that_comes_twice_in_one_batch_counts_once(board: Board) -> None:
    events = told(STORIES["is done"])
    assert board.record(events + events) == len(events)
    assert board.counts()[UserState.COMPLETE] == 1


@given(seed=st.integers(0, 2**32), size=st.integers(1, 40))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_order_of_events_makes_no_difference(tmp_path: Path, seed: int, size: int) -> None:
    events = [
        *(*crowd(), rejection(2), rejection(99), rejection(99, "another one")),
        *(progress(3, 30, 40, of=2), progress(1, 1, 2, 3, of=2), progress(2, 10, of=2)),
        *(progress(1, 5, of=77), rejection(77)),
    ]
    shuffled = random.Random(seed).sample(events, len(events))  # noqa: S311
    for name in ("ordered", "shuffled"):
        (tmp_path / name).unlink(missing_ok=True)
    with Board(tmp_path / "ordered") as one, Board(tmp_path / "shuffled") as other:
        one.record(events)
        for start in range(0, len(shuffled), size):
            other.record(shuffled[start : start + size])
        assert everything(other) == everything(one)


def test_a_job_that_was_rejected_says_so(board: Board) -> None:
    board.record([rejection(1)])
    job = known(board)
    assert (job.state, job.reason) == ("failed", "rejected")
    assert job.detail == "color: unknown field"


def test_a_rejection_does_not_touch_a_job_that_lives(board: Board) -> None:
    board.record(told(STORIES["runs"]))
    before = known(board)
    board.record([rejection(1)])
    assert known(board) == before
    assert "rejected" in [it.data.event for it in board.events(job_id(1))]


def test_a_rejection_of_no_job_is_no_job(board: Board) -> None:
    assert board.record([rejection(None)]) == 1
    assert board.jobs().total == 0


def test_events_are_told_in_the_order_in_which_they_happened(board: Board) -> None:
    events = told(STORIES["is done"])
    board.record(list(reversed(events)))
    assert list(board.events(job_id(1))) == events


def test_every_run_of_a_job_is_kept(board: Board) -> None:
    board.record(told(STORIES["is requeued"], 1))
    board.record(told(STORIES["is tried again"], 2))
    first, second = board.attempts(job_id(1))
    assert (first.attempt, first.restart, first.nodes) == (1, 0, "n1")
    assert (second.attempt, second.restart, second.nodes) == (1, 1, "n2")
    (failed,) = board.attempts(job_id(2))
    assert (failed.attempt, failed.reason) == (1, "timeout")


def test_jobs_are_counted_by_state(board: Board) -> None:
    board.record(crowd())
    assert board.counts() == {
        UserState.QUEUED: 2,
        UserState.RUNNING: 2,
        UserState.COMPLETE: 1,
        UserState.FAILED: 2,
        UserState.CANCELLED: 1,
        UserState.TERMINATED: 1,
    }


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (JobFilter(), {1, 2, 3, 4, 5, 6, 7, 8, 9}),
        (JobFilter(sites={"site-1"}), {1, 3, 5, 7, 9}),
        (JobFilter(states={UserState.RUNNING, UserState.COMPLETE}), {2, 3, 8}),
        (JobFilter(users={"bob"}), {3, 6, 9}),
        (JobFilter(kinds={"deployment"}), set()),
        (JobFilter(kinds={"training", "deployment"}, users={"bob"}), {3, 6, 9}),
        (JobFilter(labels={"experiment": "1"}), {1, 3, 5, 7, 9}),
        (JobFilter(labels={"experiment": "1"}, users={"bob"}), {3, 9}),
        (JobFilter(labels={"experiment": "2"}), set()),
        (JobFilter(text="OB 7"), {7}),
        (JobFilter(text=job_id(4)[-6:]), {4}),
        (JobFilter(text="sklearn"), {1, 2, 3, 4, 5, 6, 7, 8, 9}),
        (JobFilter(text="%"), set()),
        (JobFilter(text="_"), set()),
        (JobFilter(text="job", states={UserState.RUNNING}), {2, 8}),
        (JobFilter(sites={"' OR 1=1 --"}), set()),
    ],
)
def test_a_page_shows_the_jobs_that_fit_and_says_how_many(
    board: Board, wanted: JobFilter, numbers: set[int]
) -> None:
    board.record(crowd())
    page = board.jobs(wanted)
    assert {it.job_id for it in page.jobs} == {job_id(it) for it in numbers}
    assert page.total == len(numbers)
    assert sum(board.counts(wanted).values()) == len(numbers)


def test_the_newest_jobs_come_first_unless_something_else_is_asked_for(board: Board) -> None:
    board.record(crowd())
    assert [it.name for it in board.jobs(size=3).jobs] == ["job 9", "job 8", "job 7"]
    first = board.jobs(sort=JobSort.NAME, descending=False, size=2)
    assert [it.name for it in first.jobs] == ["job 1", "job 2"]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("sort", JobSort)
def test_pages_that_follow_one_another_show_every_job_once(
    board: Board, *, sort: JobSort, descending: bool
) -> None:
    board.record(crowd())
    by_cursor: list[BoardJob] = []
    by_offset: list[BoardJob] = []
    cursor, offset = None, 0
    while True:
        page = board.jobs(sort=sort, descending=descending, size=2, cursor=cursor)
        by_cursor += page.jobs
        by_offset += board.jobs(sort=sort, descending=descending, size=2, offset=offset).jobs
        offset += 2
        cursor = page.following
        if cursor is None:
            break
    assert by_cursor == by_offset
    assert sorted(it.job_id for it in by_cursor) == sorted(job_id(it) for it in range(1, 10))
    values = [getattr(it, sort.value) for it in by_cursor]
    present = [it for it in values if it is not None]
    assert present == sorted(present, reverse=descending)


def test_a_job_that_arrives_meanwhile_moves_none_to_the_next_page(board: Board) -> None:
    board.record(crowd())
    first = board.jobs(size=4)
    board.record(told(STORIES["waits"], 50, later=100))
    second = board.jobs(size=4, cursor=first.following)
    assert not {it.job_id for it in first.jobs} & {it.job_id for it in second.jobs}


def test_the_last_page_says_that_it_is_the_last(board: Board) -> None:
    board.record(crowd())
    assert board.jobs(size=9).following is None
    assert board.jobs(size=8).following is not None


@pytest.mark.parametrize("cursor", ["", "x", "bm90IGpzb24=", "e30=", "WzEsMiwzLDRd", "\N{SNOWMAN}"])
def test_a_cursor_that_somebody_made_up_is_refused(board: Board, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="cursor"):
        board.jobs(cursor=cursor)


def test_a_cursor_of_another_order_is_refused(board: Board) -> None:
    board.record(crowd())
    cursor = board.jobs(size=2).following
    with pytest.raises(InvalidRequestError, match="cursor"):
        board.jobs(size=2, cursor=cursor, sort=JobSort.NAME)
    with pytest.raises(InvalidRequestError, match="cursor"):
        board.jobs(size=2, cursor=cursor, descending=False)


@pytest.mark.parametrize(("size", "offset"), [(0, 0), (1001, 0), (10, -1)])
def test_a_page_of_no_reasonable_size_is_refused(board: Board, size: int, offset: int) -> None:
    with pytest.raises(InvalidRequestError, match="size"):
        board.jobs(size=size, offset=offset)


def test_a_page_can_tell_whether_anything_has_changed(board: Board) -> None:
    before = board.revision()
    assert board.revision() == before
    board.record(told(STORIES["runs"]))
    assert board.revision() != before


def test_a_site_that_fell_silent_is_shown_until_it_is_back(board: Board) -> None:
    board.record(told(STORIES["runs"]))
    (site,) = board.sites()
    assert (site.name, site.is_reachable, site.changed_at) == ("testbed", True, None)
    silent = encode_site_event(
        site="testbed", kind=EventKind.UNREACHABLE, at=at(20), detail="Slurm does not answer"
    )
    back = encode_site_event(site="testbed", kind=EventKind.RECOVERED, at=at(30), detail=None)
    board.record([decode(silent.body)])
    (site,) = board.sites()
    assert (site.is_reachable, site.detail, site.changed_at) == (
        False,
        "Slurm does not answer",
        at(20),
    )
    board.record([decode(back.body)])
    (site,) = board.sites()
    assert (site.is_reachable, site.changed_at, site.heard_at) == (True, at(30), at(30))


def test_a_job_shows_how_far_it_has_come_and_its_loss_curve(board: Board) -> None:
    board.record([*told(STORIES["runs"]), progress(1, 1, 2), progress(2, 4, 5, minute=6)])
    curve = board.progress(job_id(1))
    assert [(it.step, it.total, it.metrics["loss"], it.at) for it in curve] == [
        (1, 100, 1.0, at(5)),
        (2, 100, 0.5, at(5)),
        (4, 100, 0.25, at(6)),
        (5, 100, 0.2, at(6)),
    ]
    assert known(board).progress == curve[-1]
    assert board.jobs().jobs[0].progress == curve[-1]
    assert (known(board).sequence, known(board).last_event) == (3, EventKind.STARTED)


def test_a_page_asks_only_for_what_has_come_since(board: Board) -> None:
    board.record([progress(1, 1, 2), progress(2, 4, 5)])
    first = board.progress(job_id(1))
    board.record([progress(3, 7)])
    assert [it.step for it in board.progress(job_id(1), after=first[-1].number)] == [7]


def test_a_long_curve_is_thinned_and_keeps_its_last_point(board: Board) -> None:
    board.record([progress(it, *range(it * 100, it * 100 + 100)) for it in range(1, 11)])
    assert len(board.progress(job_id(1))) == 1000
    thinned = board.progress(job_id(1), at_most=300)
    assert 200 <= len(thinned) <= 300
    assert [it.step for it in thinned] == list(range(103, 1100, 4))
    with pytest.raises(InvalidRequestError, match="at least 1 point"):
        board.progress(job_id(1), at_most=0)


def test_progress_that_comes_twice_counts_once_and_late_progress_is_not_the_newest(
    board: Board,
) -> None:
    assert board.record([progress(2, 4), progress(2, 4), progress(1, 1)]) == 2
    assert board.record([progress(1, 1), progress(2, 4)]) == 0
    assert [it.step for it in board.progress(job_id(1))] == [1, 4]
    newest = known(board).progress
    assert newest is not None
    assert newest.step == 4
    assert known(board).state == "running"


def test_each_run_of_a_job_has_its_own_points(board: Board) -> None:
    board.record([progress(1, 50), progress(2, 1, restart=1)])
    assert [(it.restart, it.step) for it in board.progress(job_id(1))] == [(0, 50), (1, 1)]


def test_what_a_job_has_left_is_listed(board: Board) -> None:
    *before, last = told(STORIES["is done"])
    files = [{"name": "plots/loss.png", "size": 1234, "sha256": "ab"}]
    data = EventData.model_validate(
        {**last.data.model_dump(), "artifacts": {"files": files, "total": 7}}
    )
    board.record([*before, last.model_copy(update={"data": data})])
    (artifact,) = known(board).artifacts
    assert (artifact.name, artifact.size, artifact.sha256) == ("plots/loss.png", 1234, "ab")
    assert known(board).artifacts_total == 7


def test_a_sweep_knows_its_tasks_in_their_order(board: Board) -> None:
    tasks = [told(running(), 12), told(running(COMPLETED), 13), told(queued(), 11)]
    board.record([*of_sweep(10, tasks), *told(running(), 14)])
    assert known(board, 10).tasks == 3
    assert (known(board, 13).sweep, known(board, 13).task) == (job_id(10), 1)
    assert [it.job_id for it in board.tasks(job_id(10))] == [job_id(it) for it in (12, 13, 11)]
    assert [it.task for it in board.tasks(job_id(10), size=1, offset=2)] == [2]
    of_it = JobFilter(sweep=job_id(10))
    assert {it.job_id for it in board.jobs(of_it).jobs} == {job_id(it) for it in (11, 12, 13)}
    assert board.counts(of_it)[UserState.RUNNING] == 1
    assert board.tasks(job_id(14)) == ()
    others = JobFilter(with_tasks=False)
    assert {it.job_id for it in board.jobs(others).jobs} == {job_id(10), job_id(14)}
    assert board.jobs(others).total == 2
    assert sum(board.counts(others).values()) == 2
    assert sum(board.counts().values()) == 5
    board.record(told(running(COMPLETED), 12)[-1:])
    with pytest.raises(InvalidRequestError, match="1 to 1000"):
        board.tasks(job_id(10), size=0)


def test_jobs_that_were_over_long_ago_are_forgotten_with_all_of_theirs(board: Board) -> None:
    board.record([*crowd(), progress(1, 1, 2, of=3)])
    over = [it.job_id for it in board.jobs().jobs if it.state in {"complete", "failed"}]
    assert board.prune(at(0)) == 0
    assert board.prune(at(1000)) == 5
    assert board.counts()[UserState.COMPLETE] == 0
    assert board.jobs().total == 4
    assert board.jobs(JobFilter(labels={"experiment": "1"})).total == 2
    for gone in over:
        assert board.job(gone) is None
        assert board.events(gone) == ()
        assert board.attempts(gone) == ()
        assert board.progress(gone) == ()


def test_a_board_of_an_older_version_is_drawn_anew_from_its_events(place: str) -> None:
    with Board(place) as old:
        old.record([*crowd(), rejection(2), progress(1, 1, 2, of=2)])
        before = everything(old)
        old.database.write(lambda it, _: it.execute(update(schema.jobs).values(name="wrong")))
        old.database.write(lambda it, _: it.execute(update(schema.board).values(version=0)))
    with Board(place) as new:
        assert everything(new) == before


def test_a_job_is_found_by_a_part_of_its_name_also_after_it_was_told_otherwise(
    board: Board,
) -> None:
    first, *_ = told(running(), 1, name='A "digits" 100% RUN')
    board.record([first])
    for text in ('"digits"', "100% run", '" 100', job_id(1)[:13], "sklearn"):
        assert board.jobs(JobFilter(text=text)).total == 1, text
    for text in ("digits 100", "AND", "name:digits", '""', "\0\0\0", "digit*"):
        assert board.jobs(JobFilter(text=text)).total == 0, text
    assert first.data.job is not None
    summary = first.data.job.model_copy(update={"name": "other"})
    data = first.data.model_copy(update={"job": summary})
    board.record([first.model_copy(update={"id": "another telling", "data": data})])
    assert board.jobs(JobFilter(text="digits")).total == 0
    assert board.jobs(JobFilter(text="OTHER")).total == 1
    board.record(told(running(COMPLETED), 1)[1:])
    assert board.prune(at(1000)) == 1
    assert board.jobs(JobFilter(text="other")).total == 0


def test_text_that_very_many_jobs_have_is_found_in_all_of_them(board: Board) -> None:
    first, *_ = told(Story(begun()), 1)
    ids = [job_id(it) for it in range(1, 2_102)]
    board.record(
        [
            first.model_copy(
                update={"id": f"{it}/1", "data": first.data.model_copy(update={"job_id": it})}
            )
            for it in ids
        ]
    )
    page = board.jobs(JobFilter(text="SKLEARN"), size=3)
    assert page.total == len(ids)
    assert [it.job_id for it in page.jobs] == ids[:-4:-1]


def _run(statement: TextClause, connection: Connection, _board: object) -> None:
    connection.execute(statement)


def test_text_is_found_where_the_database_has_no_index_of_it(path: Path) -> None:
    with Board(path) as board:
        board.record(crowd())
        found = board.jobs(JobFilter(text="OB 7")).jobs
        triggers = [f"TRIGGER bridge_search_{it}" for it in ("new", "gone", "changed")]
        for what in (*triggers, "TABLE bridge_search"):
            drop = text_of(f"DROP {what}")
            board.database.write(partial(_run, drop))
    with Board(path) as board:
        assert not board.database.can_search
        assert board.jobs(JobFilter(text="OB 7")).jobs == found
        assert len(found) == 1


def test_a_board_of_a_newer_version_is_left_alone(place: str, tmp_path: Path) -> None:
    with Board(place) as new:
        new.database.write(lambda it, _: it.execute(update(schema.board).values(version=99)))
    with pytest.raises(ConfigurationError, match="newer bridge, as version 99"):
        Board(place)
    assert not opened_below(tmp_path)


def test_a_connection_in_use_when_the_board_is_closed_is_closed_after_its_use(path: Path) -> None:
    board = Board(path)

    def close_and_look(_: object) -> bool:
        board.close()
        return bool(opened_below(path.parent))

    assert board.database.read(close_and_look)
    assert not opened_below(path.parent)


def opened_below(folder: Path) -> list[Path]:
    """The files in a folder that this process has open."""
    opened = [it.readlink() for it in Path("/proc/self/fd").iterdir() if it.is_symlink()]
    return [it for it in opened if it.parent == folder]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://u:s3cret@host/db", "not supported"),
        ("://", "cannot be read"),
        ("postgresql+nonsense://u:s3cret@host/db", "cannot be used"),
    ],
)
def test_what_can_be_no_board_is_refused_and_no_password_repeated(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refusal:
        Board(url)
    assert "s3cret" not in str(refusal.value)


def test_a_place_where_no_file_can_be_is_told_without_a_statement(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="unable to open database file"):
        Board(tmp_path / "missing" / "board.sqlite")


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database" * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        Board(path)


def test_a_board_whose_file_was_deleted_begins_anew_in_all_who_have_it_open(path: Path) -> None:
    with Board(path) as one, Board(path) as other:
        one.record(crowd())
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            name.unlink(missing_ok=True)
        assert other.jobs().total == 0
        one.record(told(STORIES["runs"]))
        assert other.jobs().total == 1


@FORKS
def test_two_who_make_the_same_board_at_once_both_have_it(place: str) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_revision, [place] * 2, chunksize=1) == [0] * 2


def _revision(place: str) -> int:
    with Board(place) as board:
        return board.revision()


@FORKS
def test_a_forked_child_uses_connections_of_its_own(board: Board) -> None:
    board.record(crowd())
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[int] = context.Queue()

    def child() -> None:
        board.record(told(STORIES["runs"], 50))
        answers.put(board.jobs().total)

    process = context.Process(target=child)
    process.start()
    assert answers.get(timeout=60) == 10
    process.join(60)
    assert process.exitcode == 0
    assert board.jobs().total == 10
    board.record(told(STORIES["runs"], 51))
    assert board.jobs().total == 11


def test_a_batch_with_something_impossible_leaves_nothing_behind(board: Board) -> None:
    (first, *_), (other, *_) = told(STORIES["runs"], 1), told(STORIES["runs"], 2)
    data = other.data.model_copy(update={"exit_code": 2**80})
    impossible = other.model_copy(update={"data": data})
    with pytest.raises(Exception, match=r"too large|out of range"):
        board.record([first, impossible])
    assert board.jobs().total == 0
