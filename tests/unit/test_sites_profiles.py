"""Profiles in the site's YAML file."""

from datetime import timedelta
from pathlib import Path

import pytest
from unit.site_files import SMALLEST, load, mistakes

from bridge.core.site import Limits, Profile

PROFILES = """\
profiles:
  quick: {partition: cpu, limits: {walltime: 00:30:00}}
  amd:
    partition: arcturus_gpu
    qos: normal
    account: ap_x
    constraint: gpu
    gpu_flag: --rocm
    only_by_name: true
    limits: {nodes: 2, gpus: 2, memory: 16G, min_walltime: 02:00:00, walltime: 24:00:00}
"""


def test_profiles_keep_their_order_and_all_that_they_say(folder: Path) -> None:
    hour = timedelta(hours=1)
    assert load(folder, SMALLEST + PROFILES).site.profiles == (
        Profile(name="quick", partition="cpu", limits=Limits(walltime=hour / 2)),
        Profile(
            name="amd",
            partition="arcturus_gpu",
            qos="normal",
            account="ap_x",
            constraint="gpu",
            gpu_flag="--rocm",
            only_by_name=True,
            limits=Limits(
                nodes=2, gpus=2, memory_mib=16384, min_walltime=2 * hour, walltime=24 * hour
            ),
        ),
    )


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("{qoss: x}", "profiles.one.qoss: unknown field; did you mean 'qos'?"),
        (
            "{limits: {colour: 1}}",
            "profiles.one.limits.colour: unknown field; accepted here: nodes",
        ),
        ("{gpu_flag: --gpu}", "profiles.one.gpu_flag: is nothing for apptainer; accepted: --nv"),
        ("{limits: {walltime: 1 hour}}", "profiles.one.limits.walltime: a time as HH:MM:SS"),
        (
            "{limits: {min_walltime: 03:00:00, walltime: 02:00:00}}",
            (
                "profiles.one.limits.min_walltime: no job could be here: 03:00:00 at least, "
                "02:00:00 at most"
            ),
        ),
        (
            "{limits: {min_walltime: 25:00:00}}",
            (
                "profiles.one.limits.min_walltime: no job could be here: 1-01:00:00 at least, "
                "1-00:00:00 at most"
            ),
        ),
        ("fast", "profiles.one: fields are wanted here"),
    ],
)
def test_a_profile_that_is_wrong_is_told_why(profile: str, told: str, folder: Path) -> None:
    text = f"{SMALLEST}limits: {{walltime: 24:00:00}}\nprofiles:\n  one: {profile}\n"
    [found] = mistakes(folder, text)
    assert found.startswith(f"site.yaml:19: {told}")


def test_a_profile_has_a_plain_name(folder: Path) -> None:
    [found] = mistakes(folder, SMALLEST + "profiles: {Big One: {}}\n")
    assert found.startswith("site.yaml:17: profiles.Big One: ")


def test_the_default_time_keeps_to_the_least(folder: Path) -> None:
    [found] = mistakes(folder, SMALLEST + "limits: {min_walltime: 13:00:00}\n")
    assert found.startswith(
        "site.yaml:16: defaults.walltime: 12:00:00 is less than the 13:00:00 of limits.min_walltime"
    )
