"""Which of a site's profiles a job runs in, and what it gets there: pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches

from bridge.core.errors import Problem
from bridge.core.job import Resources
from bridge.core.quantity import write_walltime
from bridge.core.site import Limits, Profile, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a site runs a job, or why it does not."""

    profile: Profile | None
    """None where the site has none, or none that takes the job."""
    problems: tuple[Problem, ...]
    """Every reason for which the site does not take what the job asks; empty when it does."""


def place(asked: Resources, site: Site) -> Placement:
    """The profile that the job names, or the first that takes what it asks.

    Profiles are tried in the order of the site's file, but for those that have to be named.
    """
    site_problems = tuple(_limit_problems(asked, site.limits, "the site"))
    if asked.profile is not None:
        return _named(asked, asked.profile, site, site_problems)
    if not site.profiles:
        choices = _choice_problems(asked, site, None)
        return Placement(profile=None, problems=(*site_problems, *choices))
    for profile in site.profiles:
        if not profile.only_by_name and not any(_profile_problems(asked, site, profile)):
            return Placement(profile=profile, problems=site_problems)
    return Placement(profile=None, problems=(*site_problems, *_nothing_fits(asked, site)))


def granted(asked: Resources, site: Site, profile: Profile | None) -> Resources:
    """What the job gets: what it asks, then what the profile has, then the site's defaults."""
    own = profile or Profile(name="")
    defaults = site.defaults
    limits = narrowed(site.limits, own.limits)
    walltime = asked.walltime
    if walltime is None:
        walltime = max(defaults.walltime, limits.min_walltime or timedelta(0))
        walltime = min(walltime, limits.walltime or walltime)
    memory = asked.memory_mib
    if memory is None and defaults.memory_mib is not None:
        memory = _lower(defaults.memory_mib, limits.memory_mib)
    return replace(
        asked,
        profile=profile.name if profile else None,
        walltime=walltime,
        memory_mib=memory,
        partition=asked.partition or own.partition or defaults.partition,
        qos=asked.qos or own.qos or defaults.qos,
        account=asked.account or own.account or defaults.account,
        constraint=asked.constraint or own.constraint or defaults.constraint,
    )


def limits_for(asked: Resources, site: Site) -> Limits:
    """The limits within which this job may grow: the site's and its profile's together."""
    profile = place(asked, site).profile
    return narrowed(site.limits, profile.limits) if profile else site.limits


def narrowed(one: Limits, other: Limits) -> Limits:
    """The limits of both together."""
    starts = [it for it in (one.min_walltime, other.min_walltime) if it is not None]
    return Limits(
        nodes=_lower(one.nodes, other.nodes),
        tasks=_lower(one.tasks, other.tasks),
        cpus_per_task=_lower(one.cpus_per_task, other.cpus_per_task),
        gpus=_lower(one.gpus, other.gpus),
        memory_mib=_lower(one.memory_mib, other.memory_mib),
        walltime=min(filter(None, (one.walltime, other.walltime)), default=None),
        min_walltime=max(starts, default=None),
    )


def _lower(one: int | None, other: int | None) -> int | None:
    return min((it for it in (one, other) if it is not None), default=None)


def _named(asked: Resources, name: str, site: Site, site_problems: Sequence[Problem]) -> Placement:
    profile = next((it for it in site.profiles if it.name == name), None)
    if profile is None:
        return Placement(profile=None, problems=(*site_problems, _unknown(name, site)))
    own_problems = _profile_problems(asked, site, profile)
    return Placement(profile=profile, problems=(*site_problems, *own_problems))


def _unknown(name: str, site: Site) -> Problem:
    names = [it.name for it in site.profiles]
    if not names:
        what = f"{site.name} has no profiles: leave it out"
    else:
        close = get_close_matches(name, names, n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        what = f"{name!r} is no profile of {site.name}; {guess}profiles: {', '.join(names)}"
    return Problem(where="resources.profile", what=what)


def _nothing_fits(asked: Resources, site: Site) -> Iterator[Problem]:
    """The nearest profile first: the one that has the fewest objections."""
    reasons = [(it, tuple(_profile_problems(asked, site, it))) for it in site.profiles]
    nearest = min(reasons, key=lambda it: len(it[1]))
    if not nearest[1]:
        where = "resources.profile"
        what = f"{nearest[0].name!r} does, for jobs that name it"
    else:
        where = "resources"
        what = f"the nearest is {nearest[0].name!r}: {_in_one_line(nearest[1])}"
    yield Problem(where=where, what=f"no profile of {site.name} takes this job by itself; {what}")
    for profile, problems in reasons:
        if profile is not nearest[0] and problems:
            what = f"not in profile {profile.name!r} either: {_in_one_line(problems)}"
            yield Problem(where=where, what=what)


def _in_one_line(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{it.where.removeprefix('resources.')}: {it.what}" for it in problems)


def _profile_problems(asked: Resources, site: Site, profile: Profile) -> Iterator[Problem]:
    yield from _limit_problems(asked, profile.limits, f"profile {profile.name!r}")
    yield from _choice_problems(asked, site, profile)


def _limit_problems(asked: Resources, limits: Limits, whose: str) -> Iterator[Problem]:
    for field, value, most, unit in (
        ("nodes", asked.nodes, limits.nodes, ""),
        ("tasks", asked.tasks, limits.tasks, ""),
        ("cpus_per_task", asked.cpus_per_task, limits.cpus_per_task, ""),
        ("gpus", asked.gpus, limits.gpus, ""),
        ("memory", asked.memory_mib, limits.memory_mib, " MiB"),
    ):
        if value is not None and most is not None and value > most:
            yield Problem(
                where=f"resources.{field}",
                what=f"{value}{unit} asked for, {whose} allows at most {most}{unit}",
            )
    time = asked.walltime
    if time and limits.walltime and time > limits.walltime:
        yield _walltime_problem(time, f"{whose} allows at most {write_walltime(limits.walltime)}")
    if time and limits.min_walltime and time < limits.min_walltime:
        wanted = write_walltime(limits.min_walltime)
        yield _walltime_problem(time, f"{whose} wants at least {wanted}")


def _walltime_problem(time: timedelta, words: str) -> Problem:
    what = f"{write_walltime(time)} asked for, {words}"
    return Problem(where="resources.walltime", what=what)


def _choice_problems(asked: Resources, site: Site, profile: Profile | None) -> Iterator[Problem]:
    """What a profile has, no job chooses otherwise; what it has not, as the site lets jobs."""
    own = profile or Profile(name="")
    choices, defaults = site.choices, site.defaults
    for field, fixed, offered, default in (
        ("gpu_type", own.gpu_types, choices.gpu_types, None),
        ("partition", _only(own.partition), choices.partitions, defaults.partition),
        ("qos", _only(own.qos), choices.qos, defaults.qos),
        ("account", _only(own.account), choices.accounts, defaults.account),
        ("constraint", _only(own.constraint), choices.constraints, defaults.constraint),
    ):
        value = getattr(asked, field)
        accepted = offered if fixed is None else fixed
        if value is None or value in accepted or (fixed is None and value == default):
            continue
        where = f"at {site.name}" if fixed is None else f"in profile {own.name!r}"
        words = ", ".join(accepted) or "leave it out: the site decides"
        yield Problem(
            where=f"resources.{field}",
            what=f"{value!r} is not offered {where}; accepted: {words}",
        )


def _only(word: str | None) -> tuple[str, ...] | None:
    return None if word is None else (word,)
