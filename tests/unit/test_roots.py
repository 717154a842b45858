"""Where a job's paths have to lie, and the look at links on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest
from unit.builders import job_spec, site

from bridge.adapters.escapes import refuse_escapes
from bridge.core.errors import InvalidRequestError
from bridge.core.job import Mount
from bridge.core.roots import Confined, confined, fixed_part
from bridge.core.site import BindRoot, ContainerRules, Runtime, Site


def with_containers(**changes: object) -> Site:
    described: dict[str, object] = {
        "runtime": Runtime.APPTAINER,
        "images": ("/images/*.sif",),
        "bind_roots": (
            BindRoot(path="/data", read_only=True),
            BindRoot(path="/data/own", read_only=False),
        ),
    }
    return site(containers=ContainerRules(**(described | changes)))  # type: ignore[arg-type]


def roots(described: Site, **changes: object) -> dict[str, tuple[str, ...]]:
    return {it.where: it.roots for it in confined(job_spec(**changes), described)}


def test_a_mount_has_the_folders_that_it_may_lie_in() -> None:
    reading = Mount(source="/data/own/x", target="/x", read_only=True)
    writing = replace(reading, read_only=False)
    found = list(confined(job_spec(mounts=(reading, writing)), with_containers()))[1:]
    assert found == [
        Confined(
            where="mounts.0.source", path="/data/own/x", roots=("/data", "/data/own"), mount=0
        ),
        Confined(where="mounts.1.source", path="/data/own/x", roots=("/data/own",), mount=1),
    ]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (("/images/*.sif",), ("/images",)),
        (("/images/a.sif", "/other/*"), ("/images/a.sif",)),
        (("/images/[ab].sif", "*.sif"), ("/images", "/")),
    ],
)
def test_an_image_lies_where_its_pattern_says(
    patterns: tuple[str, ...], found: tuple[str, ...]
) -> None:
    described = with_containers(images=patterns)
    assert roots(described, image="/images/a.sif") == {"image": found}


def test_names_and_made_up_words_are_no_paths() -> None:
    assert roots(with_containers(), image="docker://a/b:1") == {}
    assert roots(with_containers(runtime=Runtime.COMMAND), image="/none") == {}


@pytest.mark.parametrize(
    ("pattern", "part"),
    [("/a/b*/c", "/a"), ("/a/b", "/a/b"), ("/*", "/"), ("/a/[b]/c", "/a"), ("/a/?", "/a")],
)
def test_the_fixed_part_of_a_pattern_ends_before_what_is_wild(pattern: str, part: str) -> None:
    assert fixed_part(pattern) == part


def test_a_link_on_this_machine_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "out").symlink_to("/etc")
    (tmp_path / "data" / "in").symlink_to("other")
    described = with_containers(bind_roots=(BindRoot(path=f"{tmp_path}/data", read_only=True),))
    for name in ("in", "not-there"):
        mount = Mount(source=f"{tmp_path}/data/{name}", target="/x", read_only=True)
        refuse_escapes(job_spec(mounts=(mount,)), described)
    mount = Mount(source=f"{tmp_path}/data/out", target="/x", read_only=True)
    with pytest.raises(InvalidRequestError) as refusal:
        refuse_escapes(job_spec(mounts=(mount,)), described)
    [found] = refusal.value.problems
    assert found.where == "mounts.0.source"
    assert found.what == f"'{tmp_path}/data/out' is a way to '/etc', outside of {tmp_path}/data"
