"""The command `hpc-bridge` of the built wheel, as the ordinary user at the real site."""

import base64
import json
import os
import pty
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import click
import pytest
from rabbitmq_management import Management
from site_bridge import PATIENCE, SiteBridge
from testbed import Testbed

LIFE = ["accepted", "queued", "started", "exited", "finished"]


def hpc_bridge(
    site: SiteBridge, *words: object, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """What comes of a command of the ordinary user."""
    done = subprocess.run(
        site.command(*map(str, words), **variables),
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE.total_seconds(),
    )
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def watching(site: SiteBridge, *words: object) -> Iterator[subprocess.Popen[str]]:
    """`hpc-bridge watch`, once it listens."""
    command = site.command("watch", "--site", str(site.site_file), *map(str, words))
    with subprocess.Popen(
        # A shell's background command ignores Ctrl-C, and so would all that it starts.
        ["/usr/bin/env", "--default-signal=INT", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "listening\n"
            yield process
        finally:
            process.kill()


def words_of(events: str) -> list[str]:
    """The event's word in each line of --json."""
    return without_pending([json.loads(it)["data"]["event"] for it in events.splitlines()])


def without_pending(words: list[str]) -> list[str]:
    """Whether that is told depends on whether Slurm is asked before the start."""
    return [it for it in words if it != "pending"]


@pytest.fixture
def unserved(testbed: Testbed, user_folder: Path) -> Iterator[SiteBridge]:
    """A site that no bridge has ever served."""
    site = SiteBridge(testbed, user_folder)
    yield site
    Management(testbed.broker).delete_namespace(site.name)


def test_submit_watch_shows_the_life_of_a_job_and_exits_with_0(site_bridge: SiteBridge) -> None:
    job = site_bridge.job("true")
    words = ("submit", site_bridge.site_file, "-", "--watch")
    done = hpc_bridge(site_bridge, *words, stdin=json.dumps(job))
    assert done.returncode == 0
    first, *events = done.stdout.splitlines()
    assert first == job["job_id"]
    assert without_pending([it.split()[3] for it in events]) == LIFE
    assert all(str(job["job_id"]) in it for it in events)
    assert done.stderr == ""


def test_submit_watch_of_a_job_that_fails_exits_with_1(site_bridge: SiteBridge) -> None:
    job = site_bridge.job("sh", "-c", "exit 7")
    words = ("submit", site_bridge.site_file, "-", "--watch", "--json")
    done = hpc_bridge(site_bridge, *words, stdin=json.dumps(job))
    assert done.returncode == 1
    assert words_of(done.stdout)[-2:] == ["exited", "failed"]
    assert done.stderr == f"{job['job_id']}\n"


def test_a_rejected_job_exits_with_1_and_says_what_is_wrong(site_bridge: SiteBridge) -> None:
    job = site_bridge.job("true", gpu=1)
    words = ("submit", site_bridge.site_file, "-", "--unchecked", "--watch")
    done = hpc_bridge(site_bridge, *words, stdin=json.dumps(job))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].split()[3:5] == ["rejected", "gpu:"]


def test_watch_follows_a_job_that_somebody_else_submits_up_to_its_end(
    site_bridge: SiteBridge,
) -> None:
    job = site_bridge.job("true")
    with watching(site_bridge, str(job["job_id"]).upper(), "--json") as process:
        submitted = hpc_bridge(
            site_bridge, "submit", site_bridge.site_file, "-", stdin=json.dumps(job)
        )
        assert submitted.stdout == f"{job['job_id']}\n"
        told, complaints = process.communicate(timeout=PATIENCE.total_seconds())
    assert process.returncode == 0
    assert words_of(told) == LIFE
    assert complaints == ""


def test_watch_of_everything_ends_with_ctrl_c(site_bridge: SiteBridge) -> None:
    with watching(site_bridge) as process:
        site_bridge.run("true")
        assert process.stdout is not None
        told = []
        while LIFE[-1] not in told:
            told.append(process.stdout.readline().split()[3])
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=PATIENCE.total_seconds())
    assert process.returncode == 0
    assert without_pending(told) == LIFE
    assert rest == ""
    assert complaints == ""


def test_cancel_ends_a_running_job(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.submit(site_bridge.job("sleep", "100"))
    site_bridge.wait_for(job_id, {"started"})
    done = hpc_bridge(site_bridge, "cancel", site_bridge.site_file, job_id, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"site": site_bridge.name, "job_id": job_id}
    site_bridge.wait_for(job_id, {"cancelled"})


def broker_variable(site: SiteBridge) -> dict[str, str]:
    """The broker's address, for those who have no file of the site."""
    it = site.settings.broker
    address = f"{it.user}:{quote(it.password)}@{it.host}:{it.port}/{it.virtual_host}"
    return {"HPC_BRIDGE_BROKER_URL": f"amqp://{address}", "HPC_BRIDGE_NAMESPACE": it.namespace}


def test_a_job_is_found_without_the_name_of_its_site(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.submit(site_bridge.job("sh", "-c", "echo hello; sleep 500"))
    site_bridge.wait_for(job_id, {"started"})
    broker = broker_variable(site_bridge)

    def logs() -> str:
        return hpc_bridge(site_bridge, "logs", job_id, **broker).stdout

    site_bridge.wait_until(lambda: logs() == "hello\n", "what it wrote is shown")
    done = hpc_bridge(site_bridge, "cancel", job_id, "--json", **broker)
    assert json.loads(done.stdout) == {"site": site_bridge.name, "job_id": job_id}
    site_bridge.wait_for(job_id, {"cancelled"})
    unknown = hpc_bridge(site_bridge, "logs", str(uuid.uuid4()), **broker)
    assert unknown.returncode == 4
    assert f"asked: {site_bridge.name}" in unknown.stderr


def test_watch_of_several_jobs_ends_with_the_last_and_exits_with_the_worst(
    site_bridge: SiteBridge,
) -> None:
    good, bad = site_bridge.job("true"), site_bridge.job("false")
    with watching(site_bridge, good["job_id"], bad["job_id"], "--all", "--json") as process:
        for job in (bad, good):
            site_bridge.submit(job)
        told, _ = process.communicate(timeout=PATIENCE.total_seconds())
    assert process.returncode == 1
    ends = {it["data"]["job_id"]: it["data"]["event"] for it in map(json.loads, told.splitlines())}
    assert ends == {good["job_id"]: "finished", bad["job_id"]: "failed"}


def test_watch_of_what_fits_knows_jobs_that_came_before_it(site_bridge: SiteBridge) -> None:
    labels = {"study": site_bridge.name}
    mine = site_bridge.submit(site_bridge.job("sleep", "500", labels=labels))
    site_bridge.wait_for(mine, {"started"})
    with watching(site_bridge, "--label", f"study={site_bridge.name}", "--json") as process:
        site_bridge.run("true")
        site_bridge.cancel(mine)
        site_bridge.wait_for(mine, {"cancelled"})
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE.total_seconds())
    every = [told, *map(json.loads, rest.splitlines())]
    assert {it["data"]["job_id"] for it in every} == {mine}
    assert process.returncode == 0


def test_watch_of_jobs_that_are_over_begins_in_the_past_and_ends_with_a_table_on_a_terminal(
    site_bridge: SiteBridge,
) -> None:
    jobs = [site_bridge.submit(site_bridge.job("true")) for _ in range(2)]
    for it in jobs:
        site_bridge.wait_for(it, {"finished"})
    words = ("watch", *jobs, "--days", "1")
    done = hpc_bridge(site_bridge, *words, "--json", **broker_variable(site_bridge))
    assert done.returncode == 0
    assert words_of(done.stdout).count("finished") == 2
    heading, *rows, counts = screen(site_bridge, *words).splitlines()
    assert heading.split() == ["JOB", "STATE", "SITE", "NAME", "USER"]
    assert {tuple(it.split()[:2]) for it in rows} == {(it, "complete") for it in jobs}
    assert counts == "2 complete"
    narrow = screen(site_bridge, *words, COLUMNS="40").splitlines()
    assert narrow[0] == f"{'JOB':<36}  ST"
    assert {it[36:] for it in narrow[1:-1]} == {"  co"}
    # One of which nobody has heard has not finished.
    words = ("watch", jobs[0], str(uuid.uuid4()), "--quiet", "1", "--days", "1")
    assert hpc_bridge(site_bridge, *words, **broker_variable(site_bridge)).returncode == 1


def screen(site: SiteBridge, *words: str, **variables: str) -> str:
    """What a terminal shows when a command has ended well, as far as it was drawn last."""
    reading, writing = pty.openpty()
    written = b""
    command = site.command(*words, **broker_variable(site), **variables)
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL) as process:
        os.close(writing)
        # Linux says EIO once nobody has the other end open.
        with suppress(OSError):
            while more := os.read(reading, 65536):
                written += more
    os.close(reading)
    assert process.returncode == 0
    last = written.decode().rpartition("\x1b[J")[2]
    return click.unstyle(last).replace("\x1b[?7h", "")


def test_a_job_for_a_site_that_nobody_serves_exits_with_4(unserved: SiteBridge) -> None:
    job = json.dumps(unserved.job("true"))
    done = hpc_bridge(unserved, "submit", unserved.site_file, "-", stdin=job)
    assert done.returncode == 4
    assert done.stderr == f"Error: no bridge serves the site '{unserved.name}' at this broker\n"
    assert done.stdout == ""


def test_a_wrong_password_exits_with_4_and_says_so(unserved: SiteBridge) -> None:
    broker = unserved.settings.broker
    url = f"amqp://{broker.user}:s3cret@{broker.host}:{broker.port}/{broker.virtual_host}"
    words = ("watch", "--patience", 6)
    done = hpc_bridge(unserved, *words, HPC_BRIDGE_BROKER_URL=url)
    assert done.returncode == 4
    assert "refuse" in done.stderr.splitlines()[-1]
    assert "s3cret" not in done.stderr


def test_run_with_a_wrong_file_exits_with_3_and_names_the_place(unserved: SiteBridge) -> None:
    text = unserved.site_file.read_text(encoding="utf-8")
    unserved.site_file.write_text(text.replace("runtime: apptainer", "runtime: docker"))
    done = hpc_bridge(unserved, "run", unserved.site_file)
    assert done.returncode == 3
    assert "containers.runtime" in done.stderr
    assert f"{unserved.site_file}:" in done.stderr


def test_a_second_daemon_on_the_same_journal_exits_with_3(site_bridge: SiteBridge) -> None:
    done = hpc_bridge(site_bridge, "run", site_bridge.site_file, "--log-json")
    assert done.returncode == 3
    assert "journal" in done.stderr.splitlines()[-1]
    assert site_bridge.is_alive


def test_sigterm_ends_the_daemon_with_0_and_a_last_word(site_bridge: SiteBridge) -> None:
    assert site_bridge.stop(signal.SIGTERM) == 0
    last = site_bridge.logged().splitlines()[-1]
    assert "stopped" in last.split()
    assert f"site={site_bridge.name}" in last


def test_python_m_bridge_is_the_same_command(testbed: Testbed) -> None:
    python = testbed.bridge_command.with_name("python")
    answers = [
        subprocess.run(
            testbed.as_user([*command, "--version"]), check=True, capture_output=True, text=True
        ).stdout
        for command in ([str(testbed.bridge_command)], [str(python), "-m", "bridge"])
    ]
    assert answers[0] == answers[1]


def test_a_refused_message_is_shown_and_sent_once_more_and_never_lost(
    site_bridge: SiteBridge,
) -> None:
    def dead() -> list[dict[str, object]]:
        done = hpc_bridge(site_bridge, "dead", "list", site_bridge.site_file, "--json")
        assert done.returncode == 0
        return [json.loads(it) for it in done.stdout.splitlines()]

    body = json.dumps(site_bridge.job("true", color="red")).encode()
    site_bridge.send(body, "of-the-sender")
    site_bridge.wait_until(lambda: len(dead()) == 1, "it is among the dead letters")
    (letter,) = dead()
    assert (letter["message_id"], letter["bytes"]) == ("of-the-sender", len(body))
    assert "color: unknown field" in str(letter["why"])
    number = str(letter["number"])[:6]
    done = hpc_bridge(site_bridge, "dead", "show", site_bridge.site_file, number, "--body")
    assert done.stdout.encode() == body
    done = hpc_bridge(site_bridge, "dead", "show", site_bridge.site_file, number, "--json")
    assert base64.b64decode(json.loads(done.stdout)["data"]) == body
    done = hpc_bridge(site_bridge, "dead", "replay", site_bridge.site_file, number)
    assert (done.returncode, done.stdout.split()) == (0, [letter["number"]])
    # The site still does not take it, and says so again.
    site_bridge.wait_until(lambda: len(dead()) == 1, "it is among the dead letters again")
    assert hpc_bridge(site_bridge, "dead", "show", site_bridge.site_file, "none").returncode == 3


def test_jobs_sites_and_logs_are_shown_to_people(site_bridge: SiteBridge) -> None:
    job_id = site_bridge.run("echo", "hello", name="greeting")
    done = hpc_bridge(site_bridge, "jobs", site_bridge.site_file)
    assert done.returncode == 0
    assert job_id in done.stdout
    assert "complete" in done.stdout
    assert "greeting" in done.stdout
    done = hpc_bridge(site_bridge, "sites", site_bridge.site_file, "--json")
    assert json.loads(done.stdout)["site"] == site_bridge.name
    for follow in ([], ["-f"]):
        done = hpc_bridge(site_bridge, "logs", site_bridge.site_file, job_id, *follow)
        assert (done.returncode, done.stdout) == (0, "hello\n")
        words = ("logs", site_bridge.site_file, job_id, "--stream", "stdout", "--json", *follow)
        told = [json.loads(it) for it in hpc_bridge(site_bridge, *words).stdout.splitlines()]
        assert b"".join(base64.b64decode(it["data"]) for it in told) == b"hello\n"
        assert {it["stream"] for it in told} == {"stdout"}
