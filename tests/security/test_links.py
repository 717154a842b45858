"""Links that lead out of what jobs may use: no container ever sees what they lead to."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from integration.test_scripts import Desk, Ended
from site_bridge import Configuration, OpenBridge
from testbed import Testbed

from bridge.core.job import JobSpec, Mount
from bridge.core.site import BindRoot, Runtime

REFUSED = Ended(state="FAILED", exit_code="77:0")


@pytest.fixture
def desk(testbed: Testbed, user_folder: Path, request: pytest.FixtureRequest) -> Desk:
    """Below `open` jobs may mount for writing, below `closed` for reading; `secret` is neither."""
    opened = Desk(testbed, user_folder, getattr(request, "param", Runtime.APPTAINER))
    for name in ("open", "closed", "secret"):
        (user_folder / name).mkdir()
        (user_folder / name / "file").write_text(f"of {name}\n")
    roots = (
        BindRoot(path=str(user_folder / "open"), read_only=False),
        BindRoot(path=str(user_folder / "closed"), read_only=True),
    )
    containers = replace(opened.settings.site.containers, bind_roots=roots)
    site = replace(opened.settings.site, containers=containers)
    opened.settings = replace(opened.settings, site=site)
    return opened


def mounting(desk: Desk, name: str, *, read_only: bool = False) -> JobSpec:
    source = str(Path(desk.settings.site.work_root) / name)
    mount = Mount(source=source, target="/data", read_only=read_only)
    return desk.shell("cat /data/file", mounts=(mount,))


def link(desk: Desk, name: str, to: str) -> None:
    root = Path(desk.settings.site.work_root)
    (root / name).symlink_to(root / to)


@pytest.mark.parametrize(
    "desk", [Runtime.APPTAINER, Runtime.PODMAN_HPC, Runtime.CHARLIECLOUD], indirect=True
)
def test_a_link_out_of_the_sites_folders_is_followed_by_no_container(desk: Desk) -> None:
    link(desk, "open/out", "secret")
    spec = mounting(desk, "open/out")
    assert desk.run(spec) == REFUSED
    assert desk.printed(spec) == ""
    root = desk.settings.site.work_root
    words = f"nothing has run, {root}/open/out leads to {root}/secret, outside of {root}/open"
    assert words in desk.printed(spec, "stderr")


def test_it_is_followed_neither_in_the_middle_of_a_path_nor_from_link_to_link(desk: Desk) -> None:
    link(desk, "open/one", "open/two")
    link(desk, "open/two", ".")
    assert desk.run(mounting(desk, "open/one/secret", read_only=True)) == REFUSED


def test_what_may_only_be_read_is_not_written_through_a_link(desk: Desk) -> None:
    link(desk, "open/closed", "closed")
    assert desk.run(mounting(desk, "open/closed")) == REFUSED
    link(desk, "closed/open", "open")
    assert desk.run(mounting(desk, "closed/open", read_only=True)) == REFUSED


def test_links_within_a_folder_and_to_the_folder_itself_lead_where_they_should(
    desk: Desk,
) -> None:
    link(desk, "open/in", "open/deep")
    (Path(desk.settings.site.work_root) / "open" / "deep").mkdir()
    (Path(desk.settings.site.work_root) / "open" / "deep" / "file").write_text("of deep\n")
    spec = mounting(desk, "open/in")
    assert desk.run(spec).state == "COMPLETED"
    assert desk.printed(spec) == "of deep\n"
    link(desk, "alias", "open")
    roots = (BindRoot(path=f"{desk.settings.site.work_root}/alias", read_only=False),)
    containers = replace(desk.settings.site.containers, bind_roots=roots)
    desk.settings = replace(desk.settings, site=replace(desk.settings.site, containers=containers))
    spec = mounting(desk, "alias/in")
    assert desk.run(spec).state == "COMPLETED"
    assert desk.printed(spec) == "of deep\n"


def test_a_name_with_a_line_break_at_its_end_is_not_that_without(desk: Desk) -> None:
    root = Path(desk.settings.site.work_root)
    (root / "open\n").mkdir()
    (root / "open\n" / "file").write_text("of another\n")
    link(desk, "open/out", "open\n")
    assert desk.run(mounting(desk, "open/out")) == REFUSED


def test_an_image_is_no_link_to_one_from_elsewhere(desk: Desk, testbed: Testbed) -> None:
    root = Path(desk.settings.site.work_root)
    (root / "images").mkdir()
    (root / "images" / "linked.sif").symlink_to(testbed.images / "busybox.sif")
    shutil.copyfile(testbed.images / "busybox.sif", root / "images" / "own.sif")
    (root / "images" / "alias.sif").symlink_to("own.sif")
    containers = replace(desk.settings.site.containers, images=(f"{root}/images/*.sif",))
    desk.settings = replace(desk.settings, site=replace(desk.settings.site, containers=containers))
    for name, ended in (("linked", "77:0"), ("own", "0:0"), ("alias", "0:0")):
        spec = replace(desk.shell("echo ran"), image=f"{root}/images/{name}.sif")
        assert desk.run(spec).exit_code == ended


def test_a_link_that_is_seen_from_here_is_refused_before_slurm_is_asked(
    open_bridge: OpenBridge, user_folder: Path
) -> None:
    (user_folder / "open").mkdir()
    (user_folder / "open" / "out").symlink_to("/etc")

    def configure(site: Configuration) -> None:
        site["containers"]["bind_roots"] = [{"path": str(user_folder / "open")}]

    bridge = open_bridge(configure)
    mount = {"source": f"{user_folder}/open/out", "target": "/data", "read_only": True}
    job_id = bridge.run("ls", "/data", mounts=[mount])
    data = bridge.last(job_id).data
    assert (data.event, data.reason, data.slurm_id) == ("failed", "refused", None)
    assert data.detail == (
        f"mounts.0.source: '{user_folder}/open/out' is a way to '/etc', "
        f"outside of {user_folder}/open"
    )
