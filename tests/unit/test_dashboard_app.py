"""The dashboard's pages over a real board, without a broker: what they show, and to whom."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dash.development.base_component import Component
from flask.testing import FlaskClient
from unit.board_events import of_sweep, progress, told
from unit.builders import at, queued, running, seen
from unit.house import job_id

from bridge.client import Bridge
from bridge.client.board import Board
from bridge.core.errors import ConfigurationError, Problem
from bridge.dashboard.app import make_app
from bridge.dashboard.desk import Desk
from bridge.dashboard.examples import TRAINED, Example, read_examples
from bridge.dashboard.form import FIELDS
from bridge.dashboard.pages import job, jobs, sites, submit
from bridge.dashboard.pages.job.output import output
from bridge.dashboard.pages.job.page import show_tasks
from bridge.dashboard.pages.job.request import command_line, sets_in
from bridge.dashboard.query import JobsQuery
from bridge.wire.event import decode, encode_rejection

NOBODY = "amqp://nobody:nothing@127.0.0.1:1/"
EXAMPLE = Example(
    title="Digits",
    job={"name": "digits", "mounts": [{"source": TRAINED, "target": "/data", "read_only": True}]},
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboard") / "board.sqlite"


@pytest.fixture(scope="module")
def desk(path: Path) -> Iterator[Desk]:
    board, bridge = Board(path), Bridge(NOBODY, patience=timedelta(milliseconds=100))
    yield Desk(board=board, bridge=bridge, examples=(EXAMPLE,), now=lambda: at(20))
    bridge.close()
    board.close()


@pytest.fixture(scope="module")
def client(desk: Desk) -> FlaskClient:
    """A browser before the only application of this process: Dash keeps its pages in a global."""
    app = make_app(desk, host_names=frozenset({"jobs.example.org"}))
    opened: FlaskClient = app.server.test_client()
    return opened


def text(part: Any) -> str:
    """All that is to be read there."""
    if isinstance(part, Component):
        return text(getattr(part, "children", None))
    if isinstance(part, list | tuple):
        return " ".join(map(text, part))
    return "" if part is None else str(part)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost:8050", "[::1]:8050", "jobs.example.org"])
def test_it_answers_to_its_own_names(client: FlaskClient, name: str) -> None:
    assert client.get("/", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("name", ["evil.example.org", "127.0.0.1.example.org", "[::2]:8050", ""])
def test_it_answers_to_no_other_name(client: FlaskClient, name: str) -> None:
    assert client.get("/", headers={"Host": name}).status_code in {400, 421}


def test_a_page_asks_nobody_else_for_anything(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Host": "localhost"})
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'self' 'sha256-" in policy
    assert 'src="http' not in answer.text
    assert '<link rel="stylesheet" href="http' not in answer.text


def test_the_styles_and_scripts_are_there(client: FlaskClient) -> None:
    for name in ("dashboard.css", "dashboard.js"):
        with client.get(f"/assets/{name}", headers={"Host": "localhost"}) as answer:
            assert answer.status_code == 200


def test_what_is_not_known_cannot_be_downloaded(client: FlaskClient) -> None:
    here = {"Host": "localhost"}
    for address in (f"/jobs/{job_id(9)}/artifacts/a", f"/jobs/{job_id(9)}/output/stdout"):
        assert client.get(address, headers=here).status_code == 404


def test_a_board_without_jobs_invites_to_submit_one(tmp_path: Path, desk: Desk) -> None:
    with Board(tmp_path / "empty.sqlite") as board:
        shown = jobs.show(_with(desk, board), JobsQuery())
        assert "No jobs yet" in text(shown[0])
        shown = jobs.show(_with(desk, board), JobsQuery(text="digits"))
        assert "No job fits" in text(shown[0])


def test_the_table_shows_a_page_of_the_jobs_and_how_many_there_are(desk: Desk) -> None:
    for number in range(1, 31):
        desk.board.record(told(running(), number, name=f"job {number}"))
    table, pager, chips = jobs.show(desk, JobsQuery(page=2))
    assert text(table).count("Running") == 5
    assert "26\N{EN DASH}30 of 30 jobs" in text(pager)
    assert "Running 30" in text(chips)


def test_a_job_shows_its_story(desk: Desk) -> None:
    ended = running(seen("COMPLETED", 9, code=0, start=3, end=8, nodes="n1"))
    desk.board.record(told(ended, 31, name="the one"))
    top, is_hidden, timeline, *_ = job.show(desk, job_id(31), "")
    assert not is_hidden
    assert "the one" in text(top)
    assert "Complete after 5 min" in text(top)
    assert "Finished" in text(timeline)


def test_a_sweep_shows_its_tasks_with_what_each_has_of_its_own(desk: Desk) -> None:
    tasks = [told(running(), 41), told(running(), 42), told(queued(), 43)]
    curves = [progress(1, 1, 2, of=41), progress(1, 1, 2, of=42)]
    desk.board.record([*of_sweep(40, tasks), *curves])
    sets = sets_in({"sweep": {"grid": {"rate": [0.1, 0.2, 0.3]}}})
    table, figure, is_hidden, _ = show_tasks(desk, job_id(40), sets)
    shown = text(table)
    assert "3 tasks: 1 queued, 2 running" in shown
    for index, rate in enumerate(("0.1", "0.2", "0.3")):
        assert f"task {index}" in shown
        assert rate in shown
    assert not is_hidden
    assert [it["name"] for it in figure["data"]] == ["task 0", "task 1"]
    assert "a sweep of 3 tasks" in text(jobs.show(desk, JobsQuery(text=job_id(40)))[0])
    assert "of 3 jobs" in text(jobs.show(desk, JobsQuery(sweep=job_id(40)))[1])
    without, with_tasks = (
        sum(int(it) for it in text(jobs.show(desk, query)[2]).split() if it.isdecimal())
        for query in (JobsQuery(), JobsQuery(with_tasks=True))
    )
    assert with_tasks == without + 2 * 3


def test_a_task_leads_to_its_sweep_and_to_the_tasks_beside_it(desk: Desk) -> None:
    desk.board.record(of_sweep(44, [told(running(), it) for it in (45, 46, 47)]))
    top, *_ = job.show(desk, job_id(46), "")
    assert "a sweep / task 1 / previous task / next task" in text(top)
    first, *_ = job.show(desk, job_id(45), "")
    assert "previous task" not in text(first)


def test_a_job_without_tasks_shows_none(desk: Desk) -> None:
    desk.board.record(told(running(), 48))
    assert show_tasks(desk, job_id(48), [])[0] is None
    assert sets_in({"params": {"a": 1}}) == []


def test_a_queued_job_names_those_for_which_it_waits(desk: Desk) -> None:
    events = told(queued(), 49)
    last = events[-1]
    waits = last.data.model_copy(update={"waits_for": [job_id(7), job_id(8)]})
    desk.board.record([*events[:-1], last.model_copy(update={"data": waits})])
    top, *_ = job.show(desk, job_id(49), "")
    assert job_id(7) in text(top)
    assert job_id(8) in text(top)


def test_a_job_that_the_site_did_not_take_has_written_nothing_and_cannot_be_repeated(
    desk: Desk,
) -> None:
    problem = Problem(where="color", what="unknown field")
    message = encode_rejection(
        site="testbed", at=at(3), body=b"{}", job_id=job_id(33), problems=(problem,)
    )
    desk.board.record([decode(message.body)])
    top, *_ = job.show(desk, job_id(33), "")
    assert "color unknown field" in " ".join(text(top).split())
    assert "Run again" not in text(top)
    assert output(desk, job_id(33), "stdout") == ("", "nothing: the site did not take it")


def test_a_command_is_shown_as_a_shell_would_read_it() -> None:
    assert command_line(["sh", "-c", "echo a; exit 7"]) == "sh -c 'echo a; exit 7'"
    assert command_line("python3 train.py | tee log") == "python3 train.py | tee log"
    assert command_line([]) == ""


def test_a_job_that_was_sent_just_now_is_on_its_way(desk: Desk) -> None:
    assert "on its way to vaughan" in text(job.show(desk, job_id(99), "vaughan")[0])
    assert "No such job" in text(job.show(desk, job_id(99), "")[0])


def test_a_board_that_cannot_be_read_is_told_and_nothing_is_made_up(
    tmp_path: Path, desk: Desk
) -> None:
    broken = tmp_path / "broken.sqlite"
    with Board(broken) as board:
        board.record(told(queued()))
        for file in tmp_path.glob("broken.sqlite*"):
            file.unlink()
        broken.mkdir()
        away = _with(desk, board)
        assert "The board cannot be read" in text(jobs.show(away, JobsQuery())[0])
        assert "The board cannot be read" in text(job.show(away, job_id(1), "")[0])
        assert "The board cannot be read" in text(sites.show(away))
        assert "The board cannot be read" in text(submit.layout(away, example="", again=""))


def test_a_broker_that_is_away_is_told_and_the_sites_are_shown_as_they_were(desk: Desk) -> None:
    shown = text(sites.show(desk))
    assert "The broker cannot be reached" in shown
    assert "testbed" in shown
    assert "not known" in shown


def test_a_form_with_mistakes_is_not_sent(desk: Desk) -> None:
    values = dict.fromkeys(FIELDS, "") | {"name": "x", "image": "/a.sif", "nodes": "two"}
    summary, problems, address = submit.send(desk, job_id(50), "testbed", values)
    assert "The job was not sent" in text(summary)
    assert {"nodes", "command"} <= problems.keys()
    assert address == ""


def test_a_job_that_no_broker_confirms_is_not_said_to_be_sent(desk: Desk) -> None:
    values = dict.fromkeys(FIELDS, "") | {"name": "x", "image": "/a.sif", "command": "true"}
    summary, problems, address = submit.send(desk, job_id(51), "testbed", values)
    assert "not known to have been sent" in text(summary)
    assert (problems, address) == ({}, "")


def test_an_example_takes_what_was_trained(desk: Desk) -> None:
    assert "Model of" in text(submit.layout(desk, example="0", again=""))
    assert "Model of" not in text(submit.layout(desk, example="", again=""))


def test_an_example_that_takes_a_model_says_so_where_there_is_none(
    tmp_path: Path, desk: Desk
) -> None:
    with Board(tmp_path / "new.sqlite") as board:
        board.record(told(queued()))
        shown = text(submit.layout(_with(desk, board), example="0", again=""))
    assert "Nothing has been trained yet" in shown


def test_examples_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "examples.json"
    file.write_text(json.dumps([{"title": "A", "site": "here", "job": {"name": "a"}}]))
    assert read_examples(file) == (Example(title="A", site="here", job={"name": "a"}),)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"title": "A"}]', '[{"title": "A", "job": {}, "x": 1}]']
)
def test_a_wrong_file_of_examples_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "examples.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"examples\.json"):
        read_examples(file)


def _with(desk: Desk, board: Board) -> Desk:
    return Desk(board=board, bridge=desk.bridge, examples=desk.examples, now=desk.now)
