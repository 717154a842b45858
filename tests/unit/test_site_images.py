"""Images at a site: what is run for each runtime, and what its answers mean."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from unit.script_jobs import site_with

from bridge.adapters.run_local import LocalRunner
from bridge.adapters.site_images import SiteImages
from bridge.core.errors import ImagePullError, UnavailableError
from bridge.core.site import PullPolicy, Runtime, Site
from bridge.testing.runner import FakeRunner, completed

PINNED = "docker://example.org/a@sha256:" + "0" * 64


def pulling(runtime: Runtime, **changes: object) -> Site:
    settings = site_with(runtime).site
    asked: dict[str, object] = {
        "pull": PullPolicy.BEFORE,
        "pull_folder": "/pulled",
        "images": ("*",),
        "pull_timeout": timedelta(minutes=5),
    }
    containers = replace(settings.containers, **(asked | changes))  # type: ignore[arg-type]
    return replace(settings, containers=containers, environment=(("PATH", "/x"),))


@pytest.mark.parametrize(
    ("runtime", "looks", "pulls"),
    [
        (
            Runtime.SHIFTER,
            ("shifterimg", "lookup", "docker:a/b:1"),
            ("shifterimg", "pull", "docker:a/b:1"),
        ),
        (
            Runtime.PODMAN_HPC,
            ("podman-hpc", "image", "exists", "docker:a/b:1"),
            ("podman-hpc", "pull", "docker:a/b:1"),
        ),
    ],
)
def test_the_runtimes_own_commands_are_run(
    runtime: Runtime, looks: tuple[str, ...], pulls: tuple[str, ...]
) -> None:
    runner = FakeRunner(completed(1), completed(0), completed(0))
    images = SiteImages(runner, pulling(runtime))
    assert not images.has("docker:a/b:1")
    images.pull("docker:a/b:1")
    assert images.has("docker:a/b:1")
    asked = [it.argv for it in runner.commands]
    assert asked == [("env", "PATH=/x", *it) for it in (looks, pulls, looks)]
    assert runner.commands[1].timeout == timedelta(minutes=5)


def with_apptainer(folder: Path, text: str) -> Site:
    """A site in the folder, whose apptainer is this script."""
    program = folder / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    site = pulling(Runtime.APPTAINER, pull_folder=f"{folder}/pulled", cache=f"{folder}/cache")
    path = f"{program.parent}:/usr/bin:/bin"
    return replace(site, environment=(("PATH", path), ("RECORD", f"{folder}/record")))


def test_an_image_becomes_a_file_once_it_is_whole(tmp_path: Path) -> None:
    site = with_apptainer(tmp_path, 'echo "$APPTAINER_CACHEDIR $*" >>"$RECORD"; echo image >"$4"')
    images = SiteImages(LocalRunner(), site)
    assert not images.has(PINNED)
    images.pull(PINNED)
    assert images.has(PINNED)
    [file] = [it for it in (tmp_path / "pulled").iterdir() if it.suffix == ".sif"]
    assert file.read_text() == "image\n"
    assert (tmp_path / "record").read_text() == (
        f"{tmp_path}/cache pull --force -- {file}.part {PINNED}\n"
    )
    images.pull(PINNED)
    assert len((tmp_path / "record").read_text().splitlines()) == 1


def test_a_pull_that_fails_says_so_in_the_runtimes_words(tmp_path: Path) -> None:
    site = with_apptainer(tmp_path, "echo FATAL: manifest unknown >&2; exit 255")
    images = SiteImages(LocalRunner(), site)
    with pytest.raises(ImagePullError, match="could not be pulled: FATAL: manifest unknown"):
        images.pull(PINNED)
    assert not images.has(PINNED)


def test_a_pull_that_takes_too_long_has_failed_and_a_look_says_nothing() -> None:
    site = pulling(Runtime.PODMAN_HPC)
    with pytest.raises(ImagePullError, match="was not there after 300 s"):
        SiteImages(FakeRunner(completed(None)), site).pull("a/b")
    with pytest.raises(UnavailableError):
        SiteImages(FakeRunner(completed(None)), site).has("a/b")


def test_an_image_that_the_site_has_as_a_file_is_none_to_pull() -> None:
    images = SiteImages(FakeRunner(), pulling(Runtime.APPTAINER))
    with pytest.raises(ImagePullError):
        images.pull("/images/a.sif")
