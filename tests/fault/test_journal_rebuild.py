"""The journal is lost while jobs wait, run and have ended, and is made anew from what is left."""

import json
import subprocess
from pathlib import Path

import pytest
from site_bridge import TERMINAL, UNTIL_LET_GO, OpenBridge, SiteBridge

NOT_A_JOB = "00000000-0000-4000-8000-000000000000"
COUNTED = 'echo once >> "$BRIDGE_JOB_DIR/runs"'


@pytest.fixture
def site(open_bridge: OpenBridge) -> SiteBridge:
    return open_bridge()


def journal(site: SiteBridge, *words: str, code: int = 0) -> str:
    """What `hpc-bridge journal WORDS[0] SITE.yaml WORDS[1:]` prints."""
    verb, *others = words
    return said_by(site.command("journal", verb, str(site.site_file), *others), code)


def said_by(argv: list[str], code: int = 0) -> str:
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def lose_the_journal(site: SiteBridge) -> None:
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        (site.folder / name).unlink(missing_ok=True)


def folder(site: SiteBridge, job_id: str) -> Path:
    return site.folder / job_id


def held_job(site: SiteBridge, exit_code: int) -> dict[str, object]:
    command = f"{COUNTED}; {UNTIL_LET_GO}; exit {exit_code}"
    return site.job("sh", "-c", command, resources={"walltime": "00:10:00"})


def terminal(site: SiteBridge, job_id: str) -> list[str]:
    return [it for it in site.told(job_id) if it in TERMINAL]


@pytest.mark.parametrize("base", ["testbed.yaml", "testbed-ssh.yaml"])
def test_a_lost_journal_is_rebuilt_and_every_job_comes_to_its_end_once(
    open_bridge: OpenBridge, base: str
) -> None:
    site = open_bridge(base=base)
    over = site.run("sh", "-c", "exit 7")
    running = [site.submit(held_job(site, code)) for code in (0, 3)]
    ending = site.submit(held_job(site, 0))
    for job_id in (*running, ending):
        site.wait_for(job_id, {"started"})
    waiting = site.submit(site.job("sh", "-c", COUNTED))
    site.wait_for(waiting, {"queued"})
    site.kill()
    # One ends while nobody looks.
    site.let_go(ending)
    site.wait_until((folder(site, ending) / "attempt-1.0.ended").exists, "the job ends alone")
    lose_the_journal(site)

    said = journal(site, "rebuild")

    assert "5 jobs restored" in said
    assert "skipped" not in said
    assert journal(site, "verify").endswith("nothing is wrong.\n")
    assert "not lost" in journal(site, "rebuild", code=3)
    site.start()
    for job_id in running:
        site.let_go(job_id)
    for job_id in (*running, ending, waiting):
        site.wait_for(job_id, TERMINAL)
    assert [terminal(site, it) for it in (*running, ending, waiting, over)] == [
        ["finished"],
        ["failed"],
        ["finished"],
        ["finished"],
        ["failed"],
    ]
    assert site.last(running[1]).data.exit_code == 3
    for job_id in (*running, ending, waiting):
        assert (folder(site, job_id) / "runs").read_text() == "once\n"
    numbers = [it.data.sequence for it in site.events(ending)]
    assert numbers == sorted(set(numbers))
    assert journal(site, "verify").endswith("nothing is wrong.\n")


def test_a_job_that_never_reached_slurm_is_submitted_once(site: SiteBridge) -> None:
    site.kill()
    lose_the_journal(site)
    job = site.job("sh", "-c", COUNTED)
    never = str(job["job_id"])
    request = site.folder / "request.json"
    request.write_text(json.dumps(job))
    request.chmod(0o644)
    script = said_by(site.command("render", str(site.site_file), str(request)))
    site.as_user("mkdir", str(folder(site, never)), str(site.folder / NOT_A_JOB))
    for name, text in (("job.json", request.read_text()), ("attempt-1.sbatch", script)):
        site.as_user(
            "sh", "-c", 'printf %s "$1" > "$2"', "sh", text, str(folder(site, never) / name)
        )

    said = journal(site, "rebuild")

    assert f"skipped {NOT_A_JOB}: it has no job.json" in said
    assert "submitting  1" in said
    site.start()
    site.wait_for(never, TERMINAL)
    assert site.life(never) == ["queued", "started", "exited", "finished"]
    assert (folder(site, never) / "runs").read_text() == "once\n"


def test_the_journal_can_be_looked_into_beside_the_daemon(site: SiteBridge) -> None:
    over = site.run()
    running = site.submit(held_job(site, 0))
    site.wait_for(running, {"started"})

    counts = json.loads(journal(site, "show", "--json"))
    story = journal(site, "show", over)
    lines = [json.loads(it) for it in journal(site, "export").splitlines()]

    assert counts["jobs"]["finished"] == counts["jobs"]["running"] == 1
    assert f"job_id               {over}" in story
    assert "finished" in story
    assert [it["type"] for it in lines[:2]] == ["journal", "job"]
    assert {it["job_id"] for it in lines[1:]} == {over, running}
    assert journal(site, "verify").endswith("nothing is wrong.\n")
    site.let_go(running)
    assert site.wait_for(running, TERMINAL).data.event == "finished"
