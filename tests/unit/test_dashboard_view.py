"""From the board to the pages: what is said of jobs, and what an address asks for."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from unit.board_events import told
from unit.builders import Story, at, begun, cancel, queued, refused, running, seen

from bridge.client.board import BoardJob, BoardPoint, JobSort
from bridge.client.board.fold import fold_attempt, fold_job
from bridge.core.errors import Problem
from bridge.core.failure import FailureReason
from bridge.core.retry import RetryPolicy
from bridge.core.user_state import UserState
from bridge.dashboard import curve, words
from bridge.dashboard.happenings import attempt_cells, happenings
from bridge.dashboard.output import last_lines
from bridge.dashboard.query import JobsQuery, pages_of
from bridge.dashboard.view import (
    exit_code_text,
    facts_of,
    folder_of,
    job_row,
    job_status,
    parameters,
    signal_text,
    state_counts,
)
from bridge.wire.event import CloudEvent, decode, encode_rejection

JOB = "00000000-0000-4000-8000-000000000001"
ENDED_WELL = (seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"),)
RETRIES = RetryPolicy(attempts=2, reasons=frozenset({FailureReason.TIMEOUT}))


def board_job(story: Story, **asked: Any) -> BoardJob:
    job: BoardJob | None = None
    for event in told(story, **asked):
        job = fold_job(job, event)
    assert job is not None
    return job


def rejected(*problems: Problem) -> CloudEvent:
    message = encode_rejection(site="here", at=at(0), body=b"{}", job_id=JOB, problems=problems)
    return decode(message.body)


def test_a_waiting_job_says_why_it_waits_in_plain_words() -> None:
    job = board_job(queued(seen("PENDING", 3, reason="Priority")))
    assert job_row(job, at(5)).note == "other jobs come first (Priority)"
    status = job_status(job, at(5))
    assert status.title == "Waiting since 5 min"
    assert status.detail == "Other jobs come first (Priority)."
    assert (status.is_over, status.can_stop) == (False, True)


def test_a_job_of_which_slurm_gives_no_reason_says_so() -> None:
    assert job_status(board_job(queued()), at(5)).detail == "Slurm has not said yet why it waits."


def test_a_job_that_slurm_does_not_have_yet_is_on_its_way() -> None:
    assert job_row(board_job(Story(begun())), at(1)).note == "is on its way to Slurm"


def test_a_running_job_says_where_and_for_how_long() -> None:
    job = board_job(running())
    assert job_status(job, at(5.5)).title == "Running on n1 for 2 min 30 s"
    assert job_row(job, at(5.5)).took == "2 min 30 s"


def test_a_job_that_is_being_stopped_cannot_be_stopped_twice() -> None:
    status = job_status(board_job(running(cancel(5))), at(6))
    # The wish is told only with the next event.
    assert status.can_stop is not status.is_stopping


def test_a_job_that_is_over_says_how_it_ended() -> None:
    status = job_status(board_job(running(*ENDED_WELL)), at(20))
    assert (status.title, status.is_over, status.can_stop) == ("Complete after 5 min", True, False)
    stopped = running(cancel(5), seen("CANCELLED", 6, start=3, end=6))
    assert job_status(board_job(stopped), at(9)).title == "Stopped after 3 min"
    early = queued(cancel(3), seen("CANCELLED", 4))
    assert job_status(board_job(early), at(9)).title == "Cancelled before it started"


def test_a_failed_job_says_why_and_what_may_be_done() -> None:
    status = job_status(board_job(running(seen("TIMEOUT", 9, start=3, end=8))), at(20))
    assert status.title == "It ran out of time"
    assert status.detail == ""
    assert status.advice == "Ask for a longer time limit, or save what it has before the limit."
    status = job_status(board_job(Story(begun(), refused(words="Invalid qos"))), at(3))
    assert (status.title, status.detail) == (
        "It was refused, and has not run",
        "Invalid qos",
    )


def test_a_rejected_message_is_a_job_that_the_site_did_not_take() -> None:
    job = fold_job(None, rejected(Problem(where="name", what="missing")))
    assert job is not None
    assert job_row(job, at(1)).note == "The site did not take it"
    assert job_row(job, at(1)).name == "job 00000000"


def test_the_next_attempt_is_announced() -> None:
    story = running(seen("TIMEOUT", 9, start=3, end=8, nodes="n1"), policy=RETRIES)
    assert job_row(board_job(story), at(9)).note == "the last attempt failed; another one follows"


def test_the_time_of_the_next_attempt_or_of_the_start_is_told() -> None:
    story = running(seen("TIMEOUT", 9, start=3, end=8, nodes="n1"), policy=RETRIES)
    assert (
        "That is not before 2026-01-01 12:09:30 UTC." in job_status(board_job(story), at(9)).detail
    )
    waits = replace(board_job(queued()), expected_start_at=at(30))
    said = job_status(waits, at(9)).detail
    assert "Slurm means to start it at 2026-01-01 12:30:00 UTC." in said


@pytest.mark.parametrize("reason", [*FailureReason, "rejected"])
def test_every_reason_for_a_failure_has_words_and_says_what_may_be_done(reason: str) -> None:
    assert words.REASONS[reason]
    assert words.ADVICE[reason]


def test_a_run_says_its_exit_code_or_its_signal() -> None:
    failed = running(seen("FAILED", 9, code=3, start=3, end=8, nodes="n1"))
    killed = running(seen("FAILED", 9, code=0, signal=9, start=3, end=8, nodes="n1"))
    ends = []
    for story in (failed, killed):
        run = None
        for event in told(story):
            run = fold_attempt(run, event)
        assert run is not None
        ends.append(attempt_cells(run, at(9))[-1])
    assert ends == [
        "The program ended with an error, exit code 3",
        "A signal ended the program, 9 (SIGKILL)",
    ]


def test_an_exit_code_by_which_shells_mean_a_signal_says_so() -> None:
    said = [exit_code_text(it) for it in (0, 1, 128, 137, 255)]
    assert said == ["0", "1", "128", "137 (128 + 9, SIGKILL)", "255"]


def test_a_signal_without_a_name_is_its_number() -> None:
    assert (signal_text(15), signal_text(200)) == ("15 (SIGTERM)", "200")


def test_the_last_lines_are_those_in_which_something_stands() -> None:
    assert last_lines("one\ntwo\nthree\n\n", 2) == "two\nthree"
    assert last_lines("\n", 2) == ""


def test_what_the_job_does_not_get_is_told_with_its_acceptance() -> None:
    accepted, *_ = told(queued())
    data = accepted.data.model_copy(update={"notes": ["ports cannot be had", "nor hosts"]})
    (shown,) = happenings([accepted.model_copy(update={"data": data})])
    assert shown.detail == "ports cannot be had; nor hosts"


def test_events_are_told_once_each_and_in_their_order() -> None:
    events = told(running(*ENDED_WELL))
    shown = happenings([*reversed(events), *events])
    assert [it.title for it in shown] == [
        "The bridge has the job",
        "In Slurm's queue",
        "Started on n1",
        "Finished",
    ]
    assert shown[0].after == ""
    assert shown[1].detail == "as job 4711"
    assert shown[2].after == "+1 min"


def test_a_pending_event_tells_its_reason_in_words() -> None:
    shown = happenings(told(queued(seen("PENDING", 3, reason="Resources"))))
    assert shown[-1].detail == "it is next, and waits for nodes to become free (Resources)"


def test_details_leave_out_what_is_not_known() -> None:
    facts = dict(facts_of(board_job(running(), labels={"experiment": "digits-7"})))
    assert facts["Slurm job"] == "4711"
    assert facts["experiment"] == "digits-7"
    assert "Exit code" not in facts
    assert facts["Folder"].endswith(f"/{JOB}")


def test_a_job_without_a_known_output_has_no_known_folder() -> None:
    job = fold_job(None, rejected(Problem(where="", what="no")))
    assert job is not None
    assert folder_of(job) == ""


def test_parameters_in_sections_are_shown_by_their_dotted_names() -> None:
    assert parameters(
        {"lr": 0.1, "net": {"layers": [64, 32], "bias": True}, "x": None, "y": {}}
    ) == [
        ("lr", "0.1"),
        ("net.layers", "64, 32"),
        ("net.bias", "true"),
        ("x", "null"),
        ("y", "{}"),
    ]


def test_every_state_is_counted_even_where_there_is_none() -> None:
    counted = state_counts({UserState.FAILED: 3})
    assert [number for _, _, number in counted] == [0, 0, 0, 3, 0, 0]


def test_an_address_says_what_is_shown_and_is_read_back() -> None:
    query = JobsQuery(
        text="digits & more",
        states=frozenset({UserState.FAILED, UserState.RUNNING}),
        site="vaughan",
        kind="training",
        sort=JobSort.NAME,
        is_descending=False,
        page=3,
    )
    said = dict(parse_qsl(query.write().removeprefix("?")))
    assert JobsQuery.read(said) == query
    assert JobsQuery().write() == ""


@pytest.mark.parametrize(
    "words",
    [
        {"page": "0"},
        {"page": "-3"},
        {"page": "\N{SUPERSCRIPT TWO}"},
        {"state": "odd,"},
        {"sort": "password"},
        {"text": ["a", "b"]},
        {"order": "sideways"},
    ],
)
def test_what_an_address_says_wrongly_is_left_out(words: dict[str, object]) -> None:
    assert JobsQuery.read(words) == JobsQuery()


def test_a_column_that_is_chosen_again_is_sorted_the_other_way_round() -> None:
    query = JobsQuery(page=4).sorted_by(JobSort.NAME)
    assert (query.sort, query.is_descending, query.page) == (JobSort.NAME, True, 1)
    assert not query.sorted_by(JobSort.NAME).is_descending


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (25, 1), (26, 2), (10_000, 400)])
def test_pages_hold_25_jobs(total: int, pages: int) -> None:
    assert pages_of(total) == pages


def point(
    step: float, *, total: float | None = None, restart: int = 0, **metrics: Any
) -> BoardPoint:
    return BoardPoint(
        number=1,
        attempt=1,
        restart=restart,
        at=at(0),
        step=step,
        total=total,
        metrics=metrics,
        message=None,
    )


def test_a_curve_has_a_line_for_each_metric() -> None:
    points = [point(it, total=4, loss=1 / it, accuracy=0.5) for it in (1, 2, 3)]
    drawn = curve.figure(points)["data"]
    assert [(it["name"], it["x"]) for it in drawn] == [
        ("loss", [1, 2, 3]),
        ("accuracy", [1, 2, 3]),
    ]
    assert curve.share_done(points) == 0.75
    assert curve.latest(points) == [("loss", "0.3333"), ("accuracy", "0.5")]


def test_one_line_alone_is_named_beside_its_values() -> None:
    layout = curve.figure([point(it, loss=1 / it) for it in (1, 2)])["layout"]
    assert (layout["yaxis"]["title"], layout["showlegend"]) == ({"text": "loss"}, False)


def test_what_is_no_number_is_a_gap_in_the_line() -> None:
    points = [point(1, loss=0.5), point(2, loss=None), point(3, loss=0.25), point(4, loss=None)]
    (line,) = curve.figure(points)["data"]
    assert line["y"] == [0.5, None, 0.25, None]
    assert curve.latest(points) == [("loss", "no number")]


def test_progress_without_metrics_or_totals_draws_nothing() -> None:
    assert not curve.has_lines([point(1), point(2)])
    assert not curve.has_lines([point(1, loss=1.0)])
    assert curve.share_done([]) is None
    assert curve.share_done([point(1)]) is None


def test_a_metric_of_several_tasks_is_drawn_as_one_line_each() -> None:
    lines = {"task 0": [point(1, loss=3.0), point(2, loss=2.0)], "task 1": [point(1, loss=4.0)]}
    drawn = curve.figure_of_several("loss", lines)
    assert [(it["name"], it["y"]) for it in drawn["data"]] == [
        ("task 0", [3.0, 2.0]),
        ("task 1", [4.0]),
    ]
    assert drawn["layout"]["yaxis"]["title"] == {"text": "loss"}


def test_of_several_metrics_the_loss_is_compared() -> None:
    assert curve.chosen_metric(["accuracy", "train_loss"]) == "train_loss"
    assert curve.chosen_metric(["accuracy", "rate"]) == "accuracy"
    assert curve.chosen_metric([]) == ""


def test_the_curve_is_that_of_the_newest_run() -> None:
    points = [point(1), point(2), point(1, restart=1)]
    assert curve.last_run(points) == (points[2],)
    assert curve.last_run([]) == ()


def test_a_running_job_says_how_far_it_has_come() -> None:
    job = replace(board_job(running()), progress=point(12, total=25))
    assert job_row(job, at(5)).note == "step 12 of 25"
    assert job_row(replace(job, progress=point(12)), at(5)).note == "step 12"
