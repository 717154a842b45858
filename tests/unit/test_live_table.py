"""Several jobs on a terminal, as one table that is drawn anew in its place."""

import click
import pytest
from unit.board_events import progress, told
from unit.builders import queued, running, seen
from unit.house import job_id

from bridge.cli.live_table import LiveTable, Rows
from bridge.core.lifecycle import EventKind
from bridge.wire.event import CloudEvent

TALL = 40
FIRST = told(running(), 1, name="digits", user="ada")
ENDED = running(seen("COMPLETED", 9, code=0, signal=0, start=3, end=8, nodes="n1"))


def shown(*events: CloudEvent, height: int = TALL) -> list[str]:
    """The lines of the table without colours."""
    rows = Rows()
    for event in events:
        rows.take(event, str(event.data.job_id))
    return [click.unstyle(it) for it in rows.frame(height)]


def test_a_job_has_one_row_with_its_state_and_what_was_asked_for() -> None:
    heading, row, counts = shown(*FIRST)
    assert heading.split() == ["JOB", "STATE", "SITE", "NAME", "USER"]
    assert row.split()[:5] == [job_id(1), "running", "testbed", "digits", "ada"]
    assert counts == "1 running"


def test_a_running_job_shows_how_far_it_is_and_a_waiting_one_why_it_waits() -> None:
    waiting = told(queued(seen("PENDING", 3, reason="Priority")), 2, name="other")
    _, *rows, counts = shown(*FIRST, progress(1, 25), *waiting)
    by_job = {it.split()[0]: it for it in rows}
    assert " 25%  25/100  loss 0.04" in by_job[job_id(1)]
    assert by_job[job_id(2)].endswith("other jobs come first (Priority)")
    assert counts == "1 queued, 1 running"


def test_progress_alone_makes_a_row_of_a_job_that_runs() -> None:
    _, row, _ = shown(progress(1, 25))
    assert row.split()[:5] == [job_id(1), "running", "testbed", "-", "-"]


def test_progress_after_the_end_does_not_bring_a_job_back() -> None:
    _, row, _ = shown(*told(ENDED, 1), progress(1, 25))
    assert row.split()[1] == "complete"
    assert "25%" not in row


def test_an_event_that_comes_late_or_twice_changes_nothing() -> None:
    events = told(ENDED, 1, name="digits")
    assert shown(*events, events[1], *events) == shown(*events)


def test_the_rejection_of_another_message_with_the_same_id_changes_nothing() -> None:
    rejected = FIRST[-1].model_copy(
        update={
            "data": FIRST[-1].data.model_copy(update={"event": EventKind.REJECTED, "sequence": 0})
        }
    )
    assert shown(*FIRST, rejected) == shown(*FIRST)
    _, row, _ = shown(rejected)
    assert row.split()[1] == "failed"


def test_a_new_run_has_no_progress_yet() -> None:
    started = FIRST[-1]
    again = started.model_copy(
        update={"data": started.data.model_copy(update={"sequence": 9, "restart": 1})}
    )
    assert "25%" not in "".join(shown(*FIRST, progress(1, 25), again))


def test_what_does_not_fit_is_counted_and_what_is_over_gives_way_first() -> None:
    over = [it for number in (3, 4) for it in told(ENDED, number, later=60)]
    lines = shown(*FIRST, *over, height=4)
    assert [it.split()[0] for it in lines] == ["JOB", job_id(1), "1"]
    assert lines[-1] == "1 running, 2 complete; 2 not shown"


def test_each_table_takes_the_place_of_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    live = LiveTable()
    for event in (*FIRST, FIRST[-1]):
        live.show(event)
    frames = capsys.readouterr().out.split("\x1b[?7l")[1:]
    # The last event came twice, and nothing is drawn for it.
    assert len(frames) == len(FIRST)
    assert [it.startswith("\x1b[3A\x1b[J") for it in frames] == [False, *[True] * (len(FIRST) - 1)]
    assert all(it.endswith("\n\x1b[?7h") for it in frames)


def test_an_event_of_a_site_stays_above_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    of_site = FIRST[0].model_copy(
        update={
            "data": FIRST[0].data.model_copy(
                update={
                    "job_id": None,
                    "job": None,
                    "event": EventKind.UNREACHABLE,
                    "detail": "silent",
                }
            )
        }
    )
    live = LiveTable()
    live.show(FIRST[0])
    capsys.readouterr()
    live.show(of_site)
    above, heading, *_ = click.unstyle(capsys.readouterr().out).splitlines()
    assert above.endswith("silent")
    assert heading.split()[0] == "JOB"


def test_a_long_name_leaves_room_for_what_else_there_is_to_say() -> None:
    _, row, _ = shown(*told(ENDED, 1, name="x" * 100, user="y" * 100))
    assert row.split() == [job_id(1), "complete", "testbed", "x" * 24, "y" * 12]


def test_a_name_in_letters_of_double_width_moves_no_column() -> None:
    chinese = [
        it.model_copy(
            update={
                "data": it.data.model_copy(
                    update={"job": it.data.job and it.data.job.model_copy(update={"name": "数据"})}
                )
            }
        )
        for it in told(running(), 2, user="bob")
    ]
    _, wide, narrow, _ = shown(*FIRST, *chinese)
    assert wide.index("bob") == narrow.index("ada") - 2
