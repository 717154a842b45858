"""Which profile a job gets, what it gets there, and what it is told where there is none for it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from unit.builders import job_spec, site

from bridge.core.job import Resources
from bridge.core.placement import granted, limits_for, place
from bridge.core.policy import admission_problems
from bridge.core.site import Choices, Limits, Profile, SlurmDefaults

HOUR = timedelta(hours=1)

DEBUG = Profile(name="debug", qos="debug", limits=Limits(nodes=8, walltime=HOUR / 2))
SHARED = Profile(
    name="shared",
    qos="shared",
    constraint="gpu",
    limits=Limits(nodes=1, gpus=2, walltime=48 * HOUR),
)
REGULAR = Profile(
    name="regular", qos="regular", constraint="gpu", limits=Limits(gpus=4, walltime=48 * HOUR)
)
PREEMPT = Profile(
    name="preempt",
    qos="preempt",
    limits=Limits(walltime=48 * HOUR, min_walltime=2 * HOUR),
    only_by_name=True,
)
NERSC = site(
    name="nersc",
    defaults=SlurmDefaults(walltime=HOUR / 4, account="m1", constraint="cpu"),
    choices=Choices(accounts=("m2",)),
    limits=Limits(nodes=100),
    profiles=(DEBUG, SHARED, REGULAR, PREEMPT),
)


def profile_of(asked: Resources) -> str | None:
    placement = place(asked, NERSC)
    assert placement.problems == ()
    return placement.profile.name if placement.profile else None


def refusals(**asked: object) -> list[str]:
    spec = job_spec(resources=Resources(**asked))  # type: ignore[arg-type]
    return [str(it) for it in admission_problems(spec, NERSC)]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (Resources(), "debug"),
        (Resources(nodes=8, walltime=HOUR / 2), "debug"),
        (Resources(walltime=HOUR), "shared"),
        (Resources(gpus=2, walltime=48 * HOUR), "shared"),
        (Resources(gpus=3, walltime=HOUR), "regular"),
        (Resources(nodes=2, walltime=HOUR), "regular"),
        (Resources(qos="regular"), "regular"),
        (Resources(constraint="gpu"), "shared"),
        (Resources(profile="preempt", walltime=2 * HOUR), "preempt"),
        (Resources(profile="regular"), "regular"),
    ],
)
def test_a_job_gets_the_profile_it_names_or_the_first_that_takes_it(
    asked: Resources, name: str
) -> None:
    assert profile_of(asked) == name


def test_a_site_without_profiles_gives_its_defaults() -> None:
    plain = replace(NERSC, profiles=())
    assert place(Resources(), plain).profile is None
    given = granted(Resources(), plain, None)
    assert given == Resources(walltime=HOUR / 4, account="m1", constraint="cpu")


def test_a_job_gets_what_it_asks_then_what_the_profile_has_then_the_sites_defaults() -> None:
    asked = Resources(gpus=1, account="m2", walltime=HOUR)
    assert granted(asked, NERSC, SHARED) == Resources(
        gpus=1, walltime=HOUR, qos="shared", constraint="gpu", account="m2", profile="shared"
    )
    assert granted(Resources(), NERSC, DEBUG).account == "m1"


def test_a_job_that_says_no_time_gets_one_that_the_profile_takes() -> None:
    assert granted(Resources(), NERSC, SHARED).walltime == HOUR / 4
    assert granted(Resources(), NERSC, PREEMPT).walltime == 2 * HOUR
    short = replace(DEBUG, limits=Limits(walltime=HOUR / 6))
    assert granted(Resources(), NERSC, short).walltime == HOUR / 6


def test_an_unknown_profile_is_told_which_there_are_and_which_was_meant() -> None:
    assert refusals(profile="premept") == [
        (
            "resources.profile: 'premept' is no profile of nersc; did you mean 'preempt'? "
            "profiles: debug, shared, regular, preempt"
        )
    ]
    assert refusals(profile="xyz") == [
        "resources.profile: 'xyz' is no profile of nersc; profiles: debug, shared, regular, preempt"
    ]
    spec = job_spec(resources=Resources(profile="x"))
    assert [str(it) for it in admission_problems(spec, site())] == [
        "resources.profile: testbed has no profiles: leave it out"
    ]


def test_a_named_profile_says_all_that_does_not_fit() -> None:
    assert refusals(profile="shared", nodes=2, gpus=4, walltime=72 * HOUR, qos="debug") == [
        "resources.nodes: 2 asked for, profile 'shared' allows at most 1",
        "resources.gpus: 4 asked for, profile 'shared' allows at most 2",
        "resources.walltime: 3-00:00:00 asked for, profile 'shared' allows at most 2-00:00:00",
        "resources.qos: 'debug' is not offered in profile 'shared'; accepted: shared",
    ]


def test_a_profile_may_want_a_least_time() -> None:
    assert refusals(profile="preempt", walltime=HOUR) == [
        "resources.walltime: 01:00:00 asked for, profile 'preempt' wants at least 02:00:00"
    ]
    assert refusals(profile="preempt", walltime=2 * HOUR) == []


def test_what_fits_nowhere_is_told_why_the_nearest_profile_first() -> None:
    assert refusals(nodes=2, gpus=5, walltime=HOUR) == [
        (
            "resources: no profile of nersc takes this job by itself; the nearest is 'debug': "
            "walltime: 01:00:00 asked for, profile 'debug' allows at most 00:30:00"
        ),
        (
            "resources: not in profile 'shared' either: nodes: 2 asked for, profile 'shared' "
            "allows at most 1; gpus: 5 asked for, profile 'shared' allows at most 2"
        ),
        (
            "resources: not in profile 'regular' either: gpus: 5 asked for, profile 'regular' "
            "allows at most 4"
        ),
        (
            "resources: not in profile 'preempt' either: walltime: 01:00:00 asked for, profile "
            "'preempt' wants at least 02:00:00"
        ),
    ]


def test_a_profile_that_has_to_be_named_is_told_of_where_it_is_the_one_that_fits() -> None:
    assert refusals(gpus=5, walltime=3 * HOUR)[0] == (
        "resources.profile: no profile of nersc takes this job by itself; 'preempt' does, for jobs "
        "that name it"
    )


def test_the_sites_own_limits_hold_in_every_profile() -> None:
    assert refusals(nodes=101, walltime=HOUR)[0] == (
        "resources.nodes: 101 asked for, the site allows at most 100"
    )
    assert refusals(profile="regular", nodes=101) == [
        "resources.nodes: 101 asked for, the site allows at most 100"
    ]


def test_what_a_profile_leaves_open_is_as_the_site_has_it() -> None:
    assert refusals(profile="debug", account="m2") == []
    assert refusals(profile="debug", account="m3") == [
        "resources.account: 'm3' is not offered at nersc; accepted: m2"
    ]
    assert refusals(profile="debug", constraint="cpu") == []


def test_a_job_grows_within_its_profile() -> None:
    asked = Resources(walltime=HOUR / 2)
    assert limits_for(asked, NERSC) == Limits(nodes=8, walltime=HOUR / 2)
    assert limits_for(replace(asked, profile="regular"), NERSC) == Limits(
        nodes=100, gpus=4, walltime=48 * HOUR
    )
    assert limits_for(asked, replace(NERSC, profiles=())) == Limits(nodes=100)


@pytest.mark.parametrize(
    ("default", "most", "gets"), [(None, 1024, None), (4096, None, 4096), (4096, 1024, 1024)]
)
def test_the_default_memory_is_no_more_than_the_profile_allows(
    default: int | None, most: int | None, gets: int | None
) -> None:
    small = Profile(name="small", limits=Limits(memory_mib=most))
    at = site(defaults=replace(site().defaults, memory_mib=default), profiles=(small,))
    assert granted(Resources(), at, small).memory_mib == gets
    assert granted(Resources(memory_mib=512), at, small).memory_mib == 512


def test_a_site_may_want_a_least_time_too() -> None:
    slow = site(limits=Limits(min_walltime=HOUR))
    spec = job_spec(resources=Resources(walltime=HOUR / 2))
    assert [str(it) for it in admission_problems(spec, slow)] == [
        "resources.walltime: 00:30:00 asked for, the site wants at least 01:00:00"
    ]


TYPED = site(
    name="typed",
    choices=Choices(gpu_types=("a100", "h100")),
    profiles=(
        Profile(name="amd", gpu_types=("mi100",)),
        Profile(name="none", gpu_types=()),
        Profile(name="nvidia"),
    ),
)


@pytest.mark.parametrize(
    ("gpu_type", "name"), [("mi100", "amd"), ("h100", "nvidia"), (None, "amd")]
)
def test_the_type_of_gpu_finds_the_profile_that_has_it(gpu_type: str | None, name: str) -> None:
    found = place(Resources(gpus=1, gpu_type=gpu_type), TYPED)
    assert found.problems == ()
    assert found.profile is not None
    assert found.profile.name == name


def test_a_type_of_gpu_that_is_not_there_is_refused_with_those_that_are() -> None:
    asked = Resources(gpus=1, gpu_type="v100")
    [found] = place(asked, replace(TYPED, profiles=())).problems
    assert str(found) == (
        "resources.gpu_type: 'v100' is not offered at typed; accepted: a100, h100"
    )
    [found] = place(replace(asked, profile="amd"), TYPED).problems
    assert str(found) == (
        "resources.gpu_type: 'v100' is not offered in profile 'amd'; accepted: mi100"
    )
    [found] = place(replace(asked, profile="none"), TYPED).problems
    assert "leave it out" in found.what
