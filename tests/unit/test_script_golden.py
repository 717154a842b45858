"""Whole scripts, as people will read them: a change of a template shows here.

`BRIDGE_WRITE_GOLDEN=1 .venv/bin/pytest tests/unit/test_script_golden.py` writes tests/golden anew;
the difference is then for the reviewer to judge.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from unit.script_jobs import (
    deployment,
    fit_for,
    several_nodes,
    shipped_site,
    site_with,
    training,
    with_pull,
    with_secret,
)

from bridge.core.job import JobSpec, Parameters, Sweep, SweepTask
from bridge.core.policy import admission_problems
from bridge.core.settings import SiteSettings
from bridge.core.site import PullPolicy, Runtime
from bridge.script import render

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SHELLCHECK = Path(sys.executable).with_name("shellcheck")
NOT_OUR_MISTAKES = (
    "SC2016",  # a value keeps its $: that is what the quotes are for
    "SC2329",  # traps call the function
    "SC2064",  # and each has its own signal
)

SITES: dict[str, tuple[Callable[[], SiteSettings], str, str]] = {
    "testbed": (
        lambda: with_secret(shipped_site("testbed")),
        "/testbed/images/sklearn.sif",
        "/testbed/work/code",
    ),
    "testbed-singularity": (
        lambda: with_secret(site_with(Runtime.SINGULARITY)),
        "/testbed/images/sklearn.sif",
        "/testbed/work/code",
    ),
    "testbed-podman-hpc": (
        lambda: with_secret(site_with(Runtime.PODMAN_HPC)),
        "testbed/sklearn:1",
        "/testbed/work/code",
    ),
    "testbed-charliecloud": (
        lambda: with_secret(site_with(Runtime.CHARLIECLOUD)),
        "/testbed/images/sklearn",
        "/testbed/work/code",
    ),
    "testbed-pull": (
        lambda: with_pull(shipped_site("testbed"), "/testbed/pulled", "docker://example.org/*"),
        "docker://example.org/digits:1",
        "/testbed/work/code",
    ),
    "testbed-pull-before": (
        lambda: with_pull(
            shipped_site("testbed"), "/testbed/pulled", "docker://*", pull=PullPolicy.BEFORE
        ),
        "docker://example.org/digits@sha256:" + "12ab" * 16,
        "/testbed/work/code",
    ),
    "testbed-podman-hpc-pull": (
        lambda: with_pull(site_with(Runtime.PODMAN_HPC), "/testbed/pulled", "testbed/*"),
        "testbed/digits:1",
        "/testbed/work/code",
    ),
    "testbed-command": (lambda: with_secret(site_with(Runtime.COMMAND)), "none", ""),
    "testbed-conda": (lambda: with_secret(site_with(Runtime.CONDA)), "/testbed/envs/digits", ""),
    "testbed-shifter": (
        lambda: with_secret(shipped_site("testbed-shifter")),
        "docker:testbed/sklearn:1",
        "/testbed/work/code",
    ),
    "nersc-perlmutter": (
        lambda: shipped_site("nersc-perlmutter"),
        "docker:ghcr.io/mlexchange/digits:1.0",
        "/pscratch/sd/a/alice/code",
    ),
    "vaughan-calcua": (
        lambda: shipped_site("vaughan-calcua"),
        "/data/antwerpen/201/vsc20101/containers/digits.sif",
        "/scratch/antwerpen/201/vsc20101/code",
    ),
    "vaughan-als": (lambda: shipped_site("vaughan-als"), "/images/digits.sif", "/data/code"),
}


def jobs(site: str) -> dict[str, JobSpec]:
    _, image, mounted = SITES[site]
    described = SITES[site][0]().site
    secrets = (("TILED_API_KEY", "tiled"),) if described.secrets else ()
    asked = replace(training(image, mounted), secrets=secrets)
    found = {
        "training": fit_for(described.containers.runtime, asked),
        "deployment": deployment(image),
    }
    if site != "vaughan-als":  # which has one node only
        found["several-nodes"] = several_nodes(image)
    if site in ("testbed", "testbed-shifter", "testbed-charliecloud"):
        seen_at = Parameters(text="epochs: 25\n", path="/app/config/params.yaml", as_argument=True)
        found["params-path"] = replace(found["deployment"], parameters=seen_at)
    if site == "testbed":
        found["sweep"] = replace(asked, sweep=Sweep(tasks=3, at_once=2))
        on_gpu = replace(asked.resources, gpu_type="pretended", partition="gpu")
        found["gpu-type-and-priority"] = replace(asked, resources=on_gpu, priority=-77)
        found["sweep-task"] = replace(asked, task=SweepTask(sweep=asked.job_id, index=2))
    return found


CASES = [(site, kind) for site in SITES for kind in jobs(site)]


def script(site: str, kind: str) -> str:
    return render(jobs(site)[kind], SITES[site][0](), 1)


@pytest.mark.parametrize(("site", "kind"), CASES)
def test_a_script_is_as_it_was_approved(site: str, kind: str) -> None:
    path = GOLDEN / f"{site}-{kind}.sbatch"
    text = script(site, kind)
    if os.environ.get("BRIDGE_WRITE_GOLDEN") and not os.environ.get("CI"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_approved_script_is_made_by_a_test() -> None:
    wanted = {f"{site}-{kind}.sbatch" for site, kind in CASES}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@pytest.mark.parametrize(("site", "kind"), CASES)
def test_the_site_admits_the_job(site: str, kind: str) -> None:
    assert admission_problems(jobs(site)[kind], SITES[site][0]().site) == ()


def test_bash_can_read_every_script() -> None:
    for path in sorted(GOLDEN.iterdir()):
        subprocess.run(["/bin/bash", "-n", path], check=True)


def test_shellcheck_finds_nothing() -> None:
    scripts = sorted(map(str, GOLDEN.iterdir()))
    argv = [str(SHELLCHECK), "--shell=bash", f"--exclude={','.join(NOT_OUR_MISTAKES)}", *scripts]
    checked = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_no_line_of_ours_is_longer_than_a_screen() -> None:
    for template in (GOLDEN / f"{site}-deployment.sbatch" for site in SITES):
        lines = template.read_text(encoding="utf-8").splitlines()
        theirs = ("6f1e0b1c", "SBATCH", "12ab12ab")
        ours = [line for line in lines if not any(word in line for word in theirs)]
        assert max(map(len, ours)) <= 100
