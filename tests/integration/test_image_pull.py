"""Images that jobs fetch: real pulls by the real Apptainer, and by the stand-in for podman-hpc."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from image_registry import Registry, serve
from integration.test_scripts import Desk, Ended
from site_bridge import Configuration, OpenBridge
from testbed import Testbed
from unit.script_jobs import with_pull

from bridge.core.job import JobSpec
from bridge.core.site import Runtime


@pytest.fixture
def registry(testbed: Testbed) -> Iterator[Registry]:
    with serve(testbed.images / "busybox") as served:
        yield served


@pytest.fixture
def desk(testbed: Testbed, user_folder: Path, request: pytest.FixtureRequest) -> Desk:
    """Jobs fetch into a folder beside the work root."""
    opened = Desk(testbed, user_folder, getattr(request, "param", Runtime.APPTAINER))
    settings = with_pull(opened.settings, f"{user_folder}/images", "*")
    containers = settings.site.containers
    if opened.runtime is not Runtime.PODMAN_HPC:
        containers = replace(
            containers, cache=f"{user_folder}/cache", scratch=f"{user_folder}/scratch"
        )
    environment = (*settings.site.environment, ("APPTAINER_NOHTTPS", "true"))
    site = replace(settings.site, containers=containers, environment=environment)
    opened.settings = replace(settings, site=site)
    return opened


def files(desk: Desk) -> list[str]:
    folder = Path(desk.settings.site.work_root) / "images"
    return sorted(it.name for it in folder.iterdir())


def wanting(desk: Desk, image: str) -> JobSpec:
    return replace(desk.shell("echo ran; echo $BRIDGE_JOB_ID"), image=image)


def test_of_many_jobs_one_fetches_the_image_and_all_run(desk: Desk, registry: Registry) -> None:
    jobs = [wanting(desk, registry.image()) for _ in range(3)]
    submitted = [desk.submit(it) for it in jobs]
    assert {desk.end_of(it) for it in submitted} == {Ended(state="COMPLETED", exit_code="0:0")}
    assert [desk.printed(it) for it in jobs] == [f"ran\n{it.job_id}\n" for it in jobs]
    assert registry.asked[registry.layer] == 1
    assert desk.run(wanting(desk, registry.image())).state == "COMPLETED"
    assert registry.asked[registry.layer] == 1
    [lock, image] = files(desk)
    assert lock.removesuffix(".lock") == image.removesuffix(".sif")


def test_an_image_by_its_digest_is_one_of_its_own(desk: Desk, registry: Registry) -> None:
    for image in (registry.image(), registry.pinned()):
        spec = wanting(desk, image)
        assert desk.run(spec).state == "COMPLETED"
        assert desk.printed(spec).startswith("ran\n")
    assert len([it for it in files(desk) if it.endswith(".sif")]) == 2


def test_an_image_that_cannot_be_fetched_is_told_and_nothing_runs(
    desk: Desk, registry: Registry
) -> None:
    spec = wanting(desk, registry.image("none"))
    assert desk.run(spec) == Ended(state="FAILED", exit_code="76:0")
    assert desk.printed(spec) == ""
    words = desk.printed(spec, "stderr")
    assert f"hpc-bridge: nothing has run, there is no image {spec.image}" in words
    assert "manifest" in words or "404" in words
    assert [it for it in files(desk) if not it.endswith(".lock")] == []


def test_a_bridge_tells_of_the_pull_and_why_it_failed(
    open_bridge: OpenBridge, registry: Registry, user_folder: Path
) -> None:
    def configure(site: Configuration) -> None:
        site["work_root"] = str(user_folder / "work")
        site["containers"] |= {
            "images": ["docker://*"],
            "pull": "in-job",
            "pull_folder": str(user_folder / "images"),
            "cache": str(user_folder / "cache"),
        }
        site["environment"]["APPTAINER_NOHTTPS"] = "true"

    bridge = open_bridge(configure)
    first = bridge.run("true", image=registry.image())
    told = [it for it in bridge.life(first) if it != "started"]
    assert told == ["accepted", "queued", "pulling", "exited", "finished"]
    second = bridge.run("true", image=registry.image())
    assert "pulling" not in bridge.told(second)
    missing = bridge.run("true", image=registry.image("none"))
    assert "pulling" in bridge.told(missing)
    assert "exited" not in bridge.told(missing)
    data = bridge.last(missing).data
    assert (data.event, data.reason, data.exit_code) == ("failed", "image-pull", None)


def test_what_a_pull_left_that_was_cut_off_is_no_image(desk: Desk, registry: Registry) -> None:
    spec = wanting(desk, registry.image())
    script = (desk.prepare(spec) / "attempt-1.sbatch").read_text()
    [file] = [it.split("=")[1] for it in script.splitlines() if "image_file=" in it]
    left = Path(f"{file}.part")
    left.parent.mkdir()
    left.write_text("half an image")
    for path in (left.parent, left):
        path.chmod(0o777)
    assert desk.run(spec).state == "COMPLETED"
    assert not left.exists()


@pytest.mark.parametrize("desk", [Runtime.PODMAN_HPC], indirect=True)
def test_podman_hpc_pulls_what_it_does_not_have(desk: Desk) -> None:
    desk.call("podman-hpc", "rmi", "testbed/busybox:3")
    spec = wanting(desk, "testbed/busybox:3")
    assert desk.run(spec).state == "COMPLETED"
    assert desk.printed(spec).startswith("ran\n")
    assert "testbed/busybox:3" in desk.call("podman-hpc", "images").splitlines()
    missing = wanting(desk, "testbed/none:1")
    assert desk.run(missing) == Ended(state="FAILED", exit_code="76:0")
    assert "manifest unknown" in desk.printed(missing, "stderr")
