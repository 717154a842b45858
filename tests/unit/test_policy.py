"""When to look again, when to try again, and what a site takes."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.builders import job_spec, site

from bridge.core.job import Checkpoint, Mount, Resources
from bridge.core.policy import LookPolicy, admission_problems, back_off, next_look
from bridge.core.site import (
    BindRoot,
    Choices,
    ContainerRules,
    Limits,
    Runtime,
    Secret,
    Site,
    SlurmDefaults,
)

MANY = settings(max_examples=200, deadline=None)
LOOKS = LookPolicy(
    shortest=timedelta(seconds=15),
    longest=timedelta(seconds=60),
    min_job_age=timedelta(seconds=300),
)


def seconds_to_next_look(quiet: float, policy: LookPolicy = LOOKS) -> float:
    return next_look(policy, quiet_for=timedelta(seconds=quiet)).total_seconds()


@pytest.mark.parametrize(
    ("quiet", "wait"), [(0, 15), (10, 15), (60, 15), (80, 20), (200, 50), (240, 60), (9999, 60)]
)
def test_the_quieter_it_has_been_the_longer_the_bridge_waits(quiet: float, wait: float) -> None:
    assert seconds_to_next_look(quiet) == wait


def test_a_finished_job_does_not_leave_squeue_between_two_looks() -> None:
    short = LookPolicy(
        shortest=timedelta(seconds=15),
        longest=timedelta(seconds=60),
        min_job_age=timedelta(seconds=30),
    )
    assert seconds_to_next_look(0, short) == 10
    assert seconds_to_next_look(9999, short) == 10


def test_slurm_is_never_asked_more_than_once_a_second() -> None:
    tiny = LookPolicy(
        shortest=timedelta(0), longest=timedelta(seconds=60), min_job_age=timedelta(0)
    )
    assert seconds_to_next_look(0, tiny) == 1


@pytest.mark.parametrize(
    ("failures", "jitter", "wait"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 4), (7, 0, 60), (1_000_000, 0, 60), (1, 0.5, 0.75), (7, 0.5, 45)],
)
def test_each_failure_doubles_the_wait_up_to_the_longest(
    failures: int, jitter: float, wait: float
) -> None:
    found = back_off(
        failures, first=timedelta(seconds=1), longest=timedelta(seconds=60), jitter=jitter
    )
    assert found.total_seconds() == wait


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
@MANY
def test_a_wait_is_never_longer_than_the_longest_nor_shorter_than_half_the_first(
    failures: int, jitter: float
) -> None:
    first, longest = timedelta(seconds=2), timedelta(minutes=5)
    wait = back_off(failures, first=first, longest=longest, jitter=jitter)
    assert first / 2 <= wait <= longest


def refusals(*, at: Site | None = None, **asked: object) -> list[str]:
    return [str(it) for it in admission_problems(job_spec(**asked), at or site())]


def test_a_site_takes_a_job_that_keeps_to_its_rules() -> None:
    assert refusals() == []


def test_an_image_must_match_a_pattern_of_the_site() -> None:
    assert refusals(image="/tmp/own.sif") == [
        "image: '/tmp/own.sif' may not run at testbed; images accepted: /images/*.sif"
    ]
    closed = site(containers=ContainerRules(runtime=Runtime.SHIFTER, images=()))
    assert refusals(at=closed, image="x") == [
        "image: 'x' may not run at testbed; images accepted: none"
    ]


def test_the_case_of_an_image_matters() -> None:
    assert refusals(image="/IMAGES/a.sif")


@pytest.mark.parametrize("image", ["/images/../tmp/own.sif", "/images/../a.sif", ".."])
def test_an_image_does_not_lead_out_of_where_it_seems_to_be(image: str) -> None:
    """The pattern /images/*.sif would take it."""
    assert refusals(image=image) == [f"image: {image!r} leads elsewhere: '..' is not accepted"]


def test_dots_in_an_images_name_lead_nowhere() -> None:
    assert refusals(image="/images/a..b.sif") == []


@pytest.mark.parametrize("user", ["alice", "bob@als"])
def test_a_site_takes_jobs_of_the_users_it_names(user: str) -> None:
    assert refusals(at=site(users=("alice", "*@als")), user=user) == []
    assert refusals(user=user) == []


def test_a_site_takes_no_jobs_of_others_when_it_names_users() -> None:
    named = site(users=("alice", "*@als"))
    assert refusals(at=named, user="Alice") == ["user: 'Alice' may not run jobs at testbed"]
    assert refusals(at=named, user=None) == ["user: missing: testbed wants to know whose job it is"]
    assert refusals(at=site(users=("*",)), user=None) == []


ROOTS = site(
    containers=ContainerRules(
        runtime=Runtime.APPTAINER,
        images=("*",),
        bind_roots=(
            BindRoot(path="/data", read_only=True),
            BindRoot(path="/scratch", read_only=False),
            BindRoot(path="/data/shared", read_only=False),
        ),
    )
)


@pytest.mark.parametrize(
    ("source", "read_only"),
    [("/data/a", True), ("/data", True), ("/scratch/b", False), ("/scratch", True),
     ("/data/shared/c", False)],
)  # fmt: skip
def test_a_folder_below_a_root_may_be_mounted(source: str, read_only: bool) -> None:  # noqa: FBT001 (a case)
    mount = Mount(source=source, target="/x", read_only=read_only)
    assert refusals(at=ROOTS, mounts=(mount,)) == []


def test_a_folder_elsewhere_may_not_be_mounted() -> None:
    fine = Mount(source="/scratch/a", target="/a")
    for source in ("/etc", "/", "/database", "/scratchy", "/dat"):
        mount = Mount(source=source, target="/x", read_only=True)
        assert refusals(at=ROOTS, mounts=(fine, mount)) == [
            (
                f"mounts.1.source: {source!r} may not be mounted at testbed; "
                "folders below these may: /data, /scratch, /data/shared"
            )
        ]


def test_a_site_without_roots_takes_no_mounts() -> None:
    assert refusals(mounts=(Mount(source="/data", target="/x"),)) == [
        "mounts.0.source: '/data' may not be mounted at testbed; folders below these may: nothing"
    ]


def test_a_read_only_root_takes_no_writable_mount() -> None:
    mount = Mount(source="/data/a", target="/x")
    assert refusals(at=ROOTS, mounts=(mount,)) == [
        "mounts.0.source: '/data/a' may only be mounted with read_only: true at testbed"
    ]


LIMITED = site(
    limits=Limits(
        nodes=2,
        tasks=4,
        cpus_per_task=8,
        gpus=1,
        memory_mib=32 * 1024,
        walltime=timedelta(hours=24),
    )
)


def test_what_a_job_asks_may_reach_every_limit() -> None:
    most = Resources(
        nodes=2,
        tasks=4,
        cpus_per_task=8,
        gpus=1,
        memory_mib=32 * 1024,
        walltime=timedelta(hours=24),
    )
    assert refusals(at=LIMITED, resources=most) == []
    assert refusals(at=LIMITED, resources=Resources()) == []


def test_every_limit_that_is_passed_is_told_under_the_name_of_the_messages_field() -> None:
    too_much = Resources(
        nodes=3,
        tasks=5,
        cpus_per_task=9,
        gpus=2,
        memory_mib=64 * 1024,
        walltime=timedelta(hours=48),
    )
    assert refusals(at=LIMITED, resources=too_much) == [
        "resources.nodes: 3 asked for, the site allows at most 2",
        "resources.tasks: 5 asked for, the site allows at most 4",
        "resources.cpus_per_task: 9 asked for, the site allows at most 8",
        "resources.gpus: 2 asked for, the site allows at most 1",
        "resources.memory: 65536 MiB asked for, the site allows at most 32768 MiB",
        "resources.walltime: 2-00:00:00 asked for, the site allows at most 1-00:00:00",
    ]
    assert refusals(resources=too_much) == []


CHOOSY = site(
    defaults=SlurmDefaults(walltime=timedelta(hours=1), partition="cpu", account="m1"),
    choices=Choices(partitions=("gpu", "big"), qos=("debug",)),
)


def test_a_job_may_choose_what_the_site_offers_and_what_it_gives_anyway() -> None:
    for partition in ("gpu", "big", "cpu", None):
        asked = Resources(partition=partition, qos="debug", account="m1")
        assert refusals(at=CHOOSY, resources=asked) == []


def test_what_the_site_does_not_offer_is_refused_with_what_it_does() -> None:
    asked = Resources(partition="secret", qos="fast", account="m2", constraint="gpu80")
    assert refusals(at=CHOOSY, resources=asked) == [
        "resources.partition: 'secret' is not offered at testbed; accepted: gpu, big",
        "resources.qos: 'fast' is not offered at testbed; accepted: debug",
        (
            "resources.account: 'm2' is not offered at testbed; accepted: "
            "leave it out: the site decides"
        ),
        (
            "resources.constraint: 'gpu80' is not offered at testbed; accepted: "
            "leave it out: the site decides"
        ),
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = refusals(
        at=LIMITED,
        image="own",
        mounts=(Mount(source="/etc", target="/x"),),
        resources=Resources(nodes=9, qos="fast"),
    )
    assert [it.split(":")[0] for it in found] == [
        "image",
        "mounts.0.source",
        "resources.nodes",
        "resources.qos",
    ]


def test_a_checkpoint_comes_after_the_start() -> None:
    early = Checkpoint(signal="USR1", seconds_before=3600)
    assert refusals(checkpoint=early) == [
        (
            "checkpoint.seconds_before: 3600 s before the end may be no time after the start: "
            "the job has 01:00:00, and Slurm may send the signal up to 60 s earlier still, "
            "when nobody listens yet"
        )
    ]
    assert refusals(checkpoint=early, resources=Resources(walltime=timedelta(hours=2))) == []


@pytest.mark.parametrize(("seconds", "is_refused"), [(3600 - 61, False), (3600 - 60, True)])
def test_a_checkpoint_comes_after_the_start_even_where_slurm_sends_it_a_minute_early(
    seconds: int, *, is_refused: bool
) -> None:
    asked = Checkpoint(signal="USR1", seconds_before=seconds)
    assert bool(refusals(checkpoint=asked)) is is_refused


def test_a_priority_keeps_within_what_the_site_lets_jobs_wish() -> None:
    some = site(choices=Choices(lowest_priority=-10, highest_priority=5))
    for priority in (-10, 0, 5):
        assert admission_problems(job_spec(priority=priority), some) == ()
    for priority in (-11, 6):
        [found] = admission_problems(job_spec(priority=priority), some)
        assert str(found) == (
            f"priority: {priority} asked for, at testbed is accepted from -10 to 5"
        )


def test_without_a_word_of_the_site_no_job_wishes_a_priority() -> None:
    assert admission_problems(job_spec(priority=0), site()) == ()
    [found] = admission_problems(job_spec(priority=-1), site())
    assert found.what == "-1 asked for, at testbed is accepted only 0: leave it out"


KEEPS = site(
    secrets=(
        Secret(reference="key", file="/s/key"),
        Secret(reference="adas", file="/s/adas", users=("ada", "*@lab")),
    )
)


@pytest.mark.parametrize(
    ("user", "reference"), [(None, "key"), ("bob", "key"), ("ada", "adas"), ("x@lab", "adas")]
)
def test_a_secret_is_for_those_whom_the_site_names(user: str | None, reference: str) -> None:
    spec = job_spec(secrets=(("TOKEN", reference),), user=user)
    assert admission_problems(spec, KEEPS) == ()


@pytest.mark.parametrize(("user", "reference"), [(None, "adas"), ("bob", "adas"), ("bob", "none")])
def test_no_other_secret_can_be_had_and_nobody_hears_of_those_of_others(
    user: str | None, reference: str
) -> None:
    [found] = admission_problems(job_spec(secrets=(("T", reference),), user=user), KEEPS)
    assert str(found) == (
        f"secrets.T: {reference!r} is no secret that this job may have at testbed; accepted: key"
    )
    [found] = admission_problems(job_spec(secrets=(("T", "x"),)), site())
    assert found.what.endswith("accepted: none")
