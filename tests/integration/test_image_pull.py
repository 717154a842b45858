"""Images that jobs fetch: real pulls by the real Apptainer, and by the stand-in for podman-hpc."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from image_registry import Registry, serve
from integration.test_scripts import Desk, Ended
from site_bridge import TERMINAL, Configuration, OpenBridge
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


def before(user_folder: Path, *patterns: str) -> Callable[[Configuration], None]:
    def configure(site: Configuration) -> None:
        site["work_root"] = str(user_folder / "work")
        site["containers"] |= {
            "images": [*patterns],
            "pull": "before",
            "pull_folder": str(user_folder / "images"),
            "cache": str(user_folder / "cache"),
        }
        site["environment"]["APPTAINER_NOHTTPS"] = "true"

    return configure


def test_the_bridge_pulls_before_it_submits_while_other_jobs_go_on(
    open_bridge: OpenBridge, registry: Registry, user_folder: Path, testbed: Testbed
) -> None:
    bridge = open_bridge(before(user_folder, "docker://*", f"{testbed.images}/*"))
    registry.gate.clear()
    waits = [bridge.submit(bridge.job("true", image=registry.pinned())) for _ in range(2)]
    bridge.wait_for(waits[0], {"pulling"})
    assert bridge.life(bridge.run("true"))[-1] == "finished"
    late = bridge.submit(bridge.job("true", image=registry.pinned()))
    bridge.wait_for(late, {"pulling"})
    bridge.cancel(late)
    bridge.wait_for(late, {"cancelled"})
    assert bridge.told(waits[0]) == ["accepted", "pulling"]
    registry.gate.set()
    for job_id in waits:
        bridge.wait_for(job_id, TERMINAL)
        told = ["accepted", "pulling", "queued", "started", "exited", "finished"]
        assert bridge.life(job_id) == told
    assert registry.asked[registry.layer] == 1
    missing = bridge.run("true", image=registry.image("none"))
    assert bridge.told(missing) == ["accepted", "pulling", "failed"]
    data = bridge.last(missing).data
    assert (data.reason, data.slurm_id) == ("image-pull", None)
    assert "could not be pulled" in str(data.detail)


def test_the_bridge_pulls_over_ssh_before_it_submits(
    open_bridge: OpenBridge, registry: Registry, user_folder: Path
) -> None:
    bridge = open_bridge(before(user_folder, "docker://*"), base="testbed-ssh.yaml")
    job_id = bridge.run("true", image=registry.image())
    told = ["accepted", "pulling", "queued", "started", "exited", "finished"]
    assert bridge.life(job_id) == told
    again = bridge.run("true", image=registry.image())
    assert "pulling" not in bridge.told(again)
    assert registry.asked[registry.layer] == 1
    missing = bridge.run("true", image=registry.image("none"))
    assert bridge.told(missing) == ["accepted", "pulling", "failed"]
    data = bridge.last(missing).data
    assert (data.reason, data.slurm_id) == ("image-pull", None)


@pytest.mark.parametrize(
    ("runtime", "base", "image", "missing"),
    [
        ("shifter", "testbed-shifter.yaml", "docker:testbed/busybox:1", "docker:testbed/none:1"),
        ("podman-hpc", "testbed.yaml", "testbed/busybox:3", "testbed/none:1"),
    ],
)
def test_shifter_and_podman_hpc_pull_by_their_own_commands(
    open_bridge: OpenBridge, runtime: str, base: str, image: str, missing: str
) -> None:
    def configure(site: Configuration) -> None:
        site["containers"] |= {"images": ["*"], "pull": "before"}
        if runtime == "podman-hpc":
            site["containers"] |= {"runtime": runtime, "gpu_flag": "--gpu"}

    bridge = open_bridge(configure, base=base)
    if runtime == "podman-hpc":
        bridge.as_user("podman-hpc", "rmi", image)
    job_id = bridge.run("true", image=image)
    assert bridge.told(job_id)[-1] == "finished"
    assert ("pulling" in bridge.told(job_id)) is (runtime == "podman-hpc")
    failed = bridge.run("true", image=missing)
    assert bridge.told(failed) == ["accepted", "pulling", "failed"]
    assert bridge.last(failed).data.reason == "image-pull"
