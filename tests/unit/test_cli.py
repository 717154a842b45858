"""The command `hpc-bridge`: what people read, and the exit codes that scripts rely on."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from click.testing import CliRunner, Result

import bridge
from bridge.cli import main
from bridge.cli.terminal import colour, line
from bridge.cli.watch import show_until_over
from bridge.core.lifecycle import EventKind
from bridge.wire.event import CloudEvent, EventData, Summary

JOB_ID = "6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"
SITE = """\
version: 1
site:
  name: here
broker:
  host: 127.0.0.1
  port: {port}
  user: bridge
  password_file: {folder}/password
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
"""
JOB = {
    "version": 1,
    "job_id": JOB_ID,
    "name": "digits",
    "image": "/images/sklearn.sif",
    "command": ["python3", "train.py"],
}
COMMANDS = ["run", "submit", "watch", "cancel", "render", "check"]


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands configure the log of the whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, for as long as the test runs."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path, closed_port: int) -> Path:
    """A folder with site.yaml, job.json and the password; the site's broker is not there."""
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    password.chmod(0o600)
    (tmp_path / "site.yaml").write_text(SITE.format(folder=tmp_path, port=closed_port))
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    return tmp_path


def hpc_bridge(*words: object, stdin: bytes | None = None, **variables: str) -> Result:
    """What comes of a command; an exception that is no exit fails the test."""
    environment: dict[str, str | None] = {"HPC_BRIDGE_BROKER_URL": None} | variables
    return CliRunner(env=environment).invoke(
        main,
        [str(it) for it in words],
        input=stdin,
        catch_exceptions=False,
        prog_name="hpc-bridge",
    )


def change(path: Path, was: str, now: str) -> None:
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, now))


def job_file(folder: Path, **changes: object) -> Path:
    path = folder / "changed.json"
    path.write_text(json.dumps(JOB | changes))
    return path


def event(kind: EventKind = EventKind.STARTED, **known: object) -> CloudEvent:
    data = {"event": kind, "site": "here", "job_id": JOB_ID, "sequence": 3} | known
    return CloudEvent(
        id=f"{JOB_ID}/3",
        source="/hpc-bridge/here",
        type=f"hpc-batch-bridge.job.{kind}.v1",
        time=datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC),
        sequence="0000000003",
        data=EventData.model_validate(data),
    )


def test_the_version_is_the_packages() -> None:
    assert hpc_bridge("--version").output == f"hpc-bridge, version {bridge.__version__}\n"


def test_the_help_names_every_command_and_exit_code() -> None:
    result = hpc_bridge("--help")
    assert result.exit_code == 0
    listed = [it.split()[0] for it in result.output.splitlines() if it.startswith("  ") and it[2:3]]
    assert set(COMMANDS) <= set(listed)
    assert set("0123456") <= set(listed)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_the_exit_codes(command: str) -> None:
    result = hpc_bridge(command, "-h")
    assert result.exit_code == 0
    assert f"hpc-bridge {command}" in result.output
    assert "Exit codes:" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run"],
        ["check"],
        ["render", "site.yaml"],
        ["submit", "site.yaml"],
        ["cancel", "site.yaml"],
        ["run", "site.yaml", "--log-level", "loud"],
        ["submit", "here", "job.json", "--patience", "long"],
        ["submit", "here", "job.json", "--patience", "-1"],
        ["watch", "no-uuid", "--broker", "amqp://u:p@host/"],
        ["cancel", "here", "no-uuid", "--broker", "amqp://u:p@host/"],
    ],
)
def test_a_wrong_command_line_exits_with_2(words: list[str]) -> None:
    assert hpc_bridge(*words).exit_code == 2


@pytest.mark.parametrize("words", [["submit", "here", "job.json"], ["watch"]])
def test_a_site_by_name_wants_a_broker(words: list[str]) -> None:
    result = hpc_bridge(*words)
    assert result.exit_code == 2
    assert "--broker or HPC_BRIDGE_BROKER_URL" in result.stderr


def test_a_wrong_broker_url_exits_with_2_and_does_not_repeat_the_password() -> None:
    result = hpc_bridge("watch", HPC_BRIDGE_BROKER_URL="amqp://u:s3cret@host:many/")
    assert result.exit_code == 2
    assert "it cannot be read as a URL" in result.stderr
    assert "s3cret" not in result.output


def test_check_says_that_a_good_file_is_right(folder: Path, closed_port: int) -> None:
    result = hpc_bridge("check", folder / "site.yaml")
    assert result.exit_code == 0
    assert f"{folder}/site.yaml is right." in result.output
    for words in ("here", f"127.0.0.1:{closed_port}", "apptainer", "partition cpu"):
        assert words in result.output
    assert "s3cret" not in result.output


def test_check_is_json_for_programs(folder: Path, closed_port: int) -> None:
    result = hpc_bridge("check", folder / "site.yaml", "--json")
    told = json.loads(result.stdout)
    assert (told["site"], told["broker"]) == ("here", f"127.0.0.1:{closed_port}")
    assert told["defaults"] == "partition cpu"
    assert told["scripts"] == "3 were tried, and bash can read them"


def test_check_names_the_line_of_setup_that_bash_cannot_read(folder: Path) -> None:
    site = folder / "site.yaml"
    line = len(site.read_text().splitlines()) + 3
    site.write_text(f"{site.read_text()}setup: |\n  if true; then\n  fi\n")
    result = hpc_bridge("check", site)
    assert result.exit_code == 3
    told = f"{site}:{line}: setup: bash cannot read this: syntax error near unexpected token `fi'"
    assert told in result.output


@pytest.mark.parametrize(
    ("what", "title", "field"),
    [
        ("job", "JobMessage", "resources"),
        ("event", "CloudEvent", "specversion"),
        ("control", "CancelMessage", "verb"),
        ("site", "SiteFile", "profiles"),
    ],
)
def test_schemas_are_printed_for_editors_and_other_languages(
    what: str, title: str, field: str
) -> None:
    result = hpc_bridge("schema", what)
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == title
    assert field in schema["properties"]


def test_check_names_every_mistake_with_line_and_field(folder: Path) -> None:
    site = folder / "site.yaml"
    change(site, "runtime: apptainer", "runtime: docker")
    change(site, "walltime: 01:00:00", "walltime: soon")
    change(site, "work_root:", "workroot:")
    result = hpc_bridge("check", site)
    assert result.exit_code == 3
    told = result.stderr.splitlines()
    for number, field in ((11, "workroot"), (13, "containers.runtime"), (17, "defaults.walltime")):
        assert any(f"site.yaml:{number}" in it and field in it for it in told), (number, told)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_not_there_exits_with_3(command: str, tmp_path: Path) -> None:
    result = hpc_bridge(command, tmp_path / "missing.yaml")
    assert result.exit_code == 3
    assert "missing.yaml" in result.stderr
    assert "Traceback" not in result.output


def test_run_with_a_wrong_file_exits_with_3_and_names_line_and_field(folder: Path) -> None:
    change(folder / "site.yaml", "runtime: apptainer", "runtime: docker")
    result = hpc_bridge("run", folder / "site.yaml")
    assert result.exit_code == 3
    assert "site.yaml:13" in result.stderr
    assert "containers.runtime" in result.stderr


def test_render_prints_the_script_and_nothing_else(folder: Path) -> None:
    result = hpc_bridge("render", folder / "site.yaml", folder / "job.json")
    assert result.exit_code == 0
    assert result.output.startswith("#!/bin/bash\n#SBATCH ")
    assert f"#SBATCH --job-name=hpc-bridge-{JOB_ID}-1\n" in result.output
    assert "/images/sklearn.sif" in result.output


def test_render_reads_a_job_from_standard_input(folder: Path) -> None:
    body = json.dumps(JOB).encode()
    result = hpc_bridge("render", folder / "site.yaml", "-", stdin=body)
    assert result.exit_code == 0
    assert JOB_ID in result.output


def test_render_gives_a_job_without_an_id_one(folder: Path) -> None:
    body = {key: value for key, value in JOB.items() if key != "job_id"}
    result = hpc_bridge("render", folder / "site.yaml", "-", stdin=json.dumps(body).encode())
    assert result.exit_code == 0
    assert "#SBATCH --job-name=hpc-bridge-" in result.output


def test_render_of_a_wrong_job_names_every_problem(folder: Path) -> None:
    wrong = job_file(folder, gpu=1, resources={"nodes": "two"}, command=[])
    result = hpc_bridge("render", folder / "site.yaml", wrong)
    assert result.exit_code == 3
    for field in ("gpu", "resources.nodes", "command"):
        assert f"{field}: " in result.stderr
    assert result.stdout == ""


def test_render_of_a_job_that_the_site_does_not_take_says_why(folder: Path) -> None:
    wrong = job_file(
        folder, image="/elsewhere/x.sif", mounts=[{"source": "/etc", "target": "/mnt"}]
    )
    result = hpc_bridge("render", folder / "site.yaml", wrong)
    assert result.exit_code == 3
    assert "image: '/elsewhere/x.sif' may not run at here" in result.stderr
    assert "mounts.0.source: '/etc' may not be mounted" in result.stderr


@pytest.mark.parametrize(
    ("body", "why"), [(b"garbage", "not JSON"), (b"[]", "JSON object"), (b"\xff", "not UTF-8")]
)
@pytest.mark.parametrize("command", ["render", "submit"])
def test_a_file_that_is_no_job_exits_with_3(
    command: str, body: bytes, why: str, folder: Path
) -> None:
    result = hpc_bridge(command, folder / "site.yaml", "-", stdin=body)
    assert result.exit_code == 3
    assert why in result.stderr


def test_a_job_file_that_is_not_there_exits_with_3(folder: Path) -> None:
    result = hpc_bridge("submit", folder / "site.yaml", folder / "missing.json")
    assert result.exit_code == 3
    assert "missing.json: No such file or directory" in result.stderr


def test_submit_checks_the_job_before_it_asks_the_broker(folder: Path) -> None:
    result = hpc_bridge("submit", folder / "site.yaml", job_file(folder, gpu=1))
    assert result.exit_code == 3
    assert "gpu: unknown field" in result.stderr


@pytest.mark.parametrize("command", ["submit", "render"])
def test_a_job_with_a_mistake_is_told_the_rules_of_the_site_that_it_breaks_as_well(
    command: str, folder: Path
) -> None:
    wrong = job_file(folder, gpu=1, image="/elsewhere/x.sif", priority=5)
    result = hpc_bridge(command, folder / "site.yaml", wrong)
    assert result.exit_code == 3
    found = [it.removeprefix("Error: ").partition(":")[0] for it in result.stderr.splitlines()]
    assert found == ["gpu", "image", "priority"]


def test_a_job_for_a_site_that_is_only_named_is_told_its_mistakes(folder: Path) -> None:
    wrong = job_file(folder, gpu=1, priority=5)
    url = "amqp://ada:s3cret@127.0.0.1:1/"
    result = hpc_bridge("submit", "here", wrong, HPC_BRIDGE_BROKER_URL=url)
    assert result.exit_code == 3
    assert "gpu: unknown field" in result.stderr
    assert "priority" not in result.stderr


def test_a_job_without_a_readable_id_cannot_be_followed(folder: Path) -> None:
    wrong = job_file(folder, job_id="mine")
    result = hpc_bridge("submit", folder / "site.yaml", wrong, "--unchecked", "--watch")
    assert result.exit_code == 3
    assert "job_id: a UUID is wanted" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["submit", "site.yaml", "job.json"],
        ["submit", "site.yaml", "job.json", "--watch"],
        ["cancel", "site.yaml", JOB_ID],
        ["watch", "--site", "site.yaml"],
        ["watch", JOB_ID, "--site", "site.yaml"],
    ],
)
def test_a_broker_that_is_not_there_exits_with_4_and_says_where(
    words: list[str], folder: Path, closed_port: int
) -> None:
    paths = [folder / it if "." in it else it for it in words]
    result = hpc_bridge(*paths, "--patience", "0.2")
    assert result.exit_code == 4
    refused = f"127.0.0.1:{closed_port}: Connection refused"
    assert result.stderr.splitlines()[-1] == f"Error: not connected to the broker: {refused}"
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_the_broker_may_be_named_by_a_variable(folder: Path, closed_port: int) -> None:
    url = f"amqp://u:p@127.0.0.1:{closed_port}/"
    words = ("submit", "here", folder / "job.json", "--patience", "0.2")
    result = hpc_bridge(*words, HPC_BRIDGE_BROKER_URL=url)
    assert result.exit_code == 4
    assert f"127.0.0.1:{closed_port}" in result.stderr


def test_an_event_is_one_line_with_all_that_is_known() -> None:
    known = event(
        EventKind.FAILED,
        slurm_id="4711",
        nodes="n[1-2]",
        attempt=2,
        restart=1,
        exit_code=7,
        signal=9,
        reason="exit-code",
        detail="the container ended with 7",
        job=Summary(name="digits", kind="training", image="/i.sif", user=None, labels={}),
    )
    time, *rest = line(known).split("  ")
    assert time == known.time.astimezone().strftime("%H:%M:%S")
    assert [it.strip() for it in rest if it.strip()] == [
        "here",
        JOB_ID,
        "failed",
        "digits",
        "Slurm 4711",
        "on n[1-2]",
        "attempt 2",
        "restart 1",
        "exit code 7",
        "signal 9",
        "reason exit-code",
        "the container ended with 7",
    ]


def test_what_is_not_known_or_goes_without_saying_is_left_out() -> None:
    assert line(event(attempt=1, restart=0)).endswith(f"here  {JOB_ID}  started")


def test_an_exit_code_of_0_is_told() -> None:
    assert line(event(EventKind.FINISHED, exit_code=0)).endswith("exit code 0")


def test_an_event_without_a_job_has_a_dash_in_its_place() -> None:
    assert "here  -  rejected" in line(event(EventKind.REJECTED, job_id=None))


@pytest.mark.parametrize("field", ["detail", "nodes", "slurm_id", "job_id", "site"])
@pytest.mark.parametrize("hostile", ["\x1b]0;evil\x07", "\r\nfaked  line", "\x9b31m", "\u202eevil"])
def test_nothing_that_a_terminal_obeys_reaches_it(field: str, hostile: str) -> None:
    known: dict[str, Any] = {field: f"before{hostile}after"}
    assert line(event(**known)).isprintable()


def test_the_end_of_a_job_stands_out() -> None:
    shown = {it: colour(it) for it in (EventKind.FINISHED, EventKind.FAILED, EventKind.REJECTED)}
    assert shown == {
        EventKind.FINISHED: "green",
        EventKind.FAILED: "red",
        EventKind.REJECTED: "red",
    }


def watched(*kinds: EventKind, as_json: bool = False) -> Result:
    """What watching these events prints, and the exit code of it."""

    @click.command()
    def command() -> None:
        raise SystemExit(show_until_over(map(event, kinds), jobs=[JOB_ID], as_json=as_json))

    return CliRunner().invoke(command)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (EventKind.FINISHED, 0),
        (EventKind.FAILED, 1),
        (EventKind.CANCELLED, 1),
        (EventKind.REJECTED, 1),
    ],
)
def test_the_exit_code_tells_how_the_job_ended(last: EventKind, code: int) -> None:
    result = watched(EventKind.STARTED, last)
    assert result.exit_code == code
    assert [it.split()[3] for it in result.output.splitlines()] == ["started", last.value]


def test_of_several_jobs_the_worst_end_counts() -> None:
    other = "7a1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b"
    finished, failed = event(EventKind.FINISHED), event(EventKind.FAILED, job_id=other)

    def code(*events: CloudEvent) -> int:
        return show_until_over(events, jobs=[JOB_ID, other], as_json=True)

    assert code(failed, finished) == code(finished, failed) == 1
    assert code(finished, event(EventKind.FINISHED, job_id=other)) == 0
    # One that had not ended when nothing came for too long has not finished.
    assert code(finished) == code() == 1


def test_what_is_watched_without_ids_has_no_end_that_counts() -> None:
    assert show_until_over([event(EventKind.FAILED)], jobs=[], as_json=True) == 0


def test_json_is_one_event_a_line_as_it_came() -> None:
    result = watched(EventKind.STARTED, EventKind.FINISHED, as_json=True)
    lines = [json.loads(it) for it in result.output.splitlines()]
    assert [it["data"]["event"] for it in lines] == ["started", "finished"]
    assert CloudEvent.model_validate(lines[0]) == event(EventKind.STARTED)
