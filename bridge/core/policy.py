"""Decisions about time and limits: pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from bridge.core.errors import Problem
from bridge.core.job import JobSpec
from bridge.core.placement import granted, place
from bridge.core.quantity import write_walltime
from bridge.core.roots import roots_above
from bridge.core.site import Site

_SIGNALLED_EARLY = timedelta(seconds=60)
# "Due to the resolution of event handling by Slurm" (sbatch(1), --signal).


@dataclass(frozen=True, slots=True, kw_only=True)
class LookPolicy:
    """How often Slurm is asked. NERSC asks for one or two aggregate questions a minute."""

    shortest: timedelta
    longest: timedelta
    min_job_age: timedelta
    """The cluster's MinJobAge: how long a finished job stays in squeue (slurm.conf(5))."""


def next_look(policy: LookPolicy, *, quiet_for: timedelta) -> timedelta:
    """How long to wait before Slurm is asked again, while jobs live.

    The quieter it has been, the longer; always below a third of MinJobAge, or a finished job would
    leave squeue between two looks.
    """
    relaxed = min(max(policy.shortest, quiet_for / 4), policy.longest)
    return max(min(relaxed, policy.min_job_age / 3), timedelta(seconds=1))


def within_budget(policy: LookPolicy, *, queries_per_minute: int) -> LookPolicy:
    """The same, no faster than the budget of Slurm commands lets us look.

    A look may take two commands, squeue and sacct: were the first to use up the budget of the
    second, no job would ever be seen to end.
    """
    fastest = timedelta(minutes=1) * 2 / queries_per_minute
    return replace(
        policy,
        shortest=max(policy.shortest, fastest),
        longest=max(policy.longest, fastest),
    )


def budget_wait(spent: Sequence[timedelta], *, per_minute: int, now: timedelta) -> timedelta | None:
    """How long to wait before the next command; None when it may run now.

    `spent` are the times of the last commands, oldest first, at least `per_minute` of them if there
    were so many. In no span of a minute are there ever more than `per_minute`.
    """
    if len(spent) < per_minute:
        return None
    wait = spent[-per_minute] + timedelta(minutes=1) - now
    return wait if wait > timedelta(0) else None


def back_off(failures: int, *, first: timedelta, longest: timedelta, jitter: float) -> timedelta:
    """How long to wait after so many failures in a row (at least 1).

    `jitter` is a random number in [0, 1): it takes away up to half, so that many who lost the same
    server do not all come back at once.
    """
    doublings = min(failures - 1, 30)
    return min(first * (1 << doublings), longest) * (1 - jitter / 2)


def admission_problems(spec: JobSpec, site: Site) -> tuple[Problem, ...]:
    """Every reason for which this site does not take this job; empty when it does."""
    return (
        *_user_problems(spec, site),
        *_image_problems(spec, site),
        *_secret_problems(spec, site),
        *_mount_problems(spec, site),
        *place(spec.resources, site).problems,
        *_priority_problems(spec, site),
        *_retry_problems(spec, site),
        *_checkpoint_problems(spec, site),
        *_reply_problems(spec, site),
        *_sweep_problems(spec, site),
    )


def _user_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    if _is_one_of(site.users, spec.user):
        return
    if spec.user is None:
        yield Problem(where="user", what=f"missing: {site.name} wants to know whose job it is")
    else:
        yield Problem(where="user", what=f"{spec.user!r} may not run jobs at {site.name}")


def _is_one_of(patterns: Sequence[str], user: str | None) -> bool:
    """Whether these are the words for everybody, or for this user too."""
    return not patterns or any(fnmatchcase(user or "", it) for it in patterns)


def _secret_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    offered = [it.reference for it in site.secrets if _is_one_of(it.users, spec.user)]
    for name, reference in spec.secrets:
        if reference not in offered:
            accepted = ", ".join(offered) or "none"
            yield Problem(
                where=f"secrets.{name}",
                what=f"{reference!r} is no secret that this job may have at {site.name}; "
                f"accepted: {accepted}",
            )


def _image_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    patterns = site.containers.images
    if ".." in spec.image.split("/"):
        # A pattern such as /images/* would take /images/../home/somebody.
        yield Problem(where="image", what=f"{spec.image!r} leads elsewhere: '..' is not accepted")
    elif not any(fnmatchcase(spec.image, pattern) for pattern in patterns):
        accepted = ", ".join(patterns) or "none"
        yield Problem(
            where="image",
            what=f"{spec.image!r} may not run at {site.name}; images accepted: {accepted}",
        )


def _mount_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    for index, mount in enumerate(spec.mounts):
        where = f"mounts.{index}.source"
        roots = roots_above(mount, site)
        if not roots:
            accepted = ", ".join(it.path for it in site.containers.bind_roots) or "nothing"
            yield Problem(
                where=where,
                what=f"{mount.source!r} may not be mounted at {site.name}; "
                f"folders below these may: {accepted}",
            )
        elif not mount.read_only and all(it.read_only for it in roots):
            yield Problem(
                where=where,
                what=f"{mount.source!r} may only be mounted with read_only: true at {site.name}",
            )


def _priority_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    lowest, highest = site.choices.lowest_priority, site.choices.highest_priority
    if spec.priority == 0 or lowest <= spec.priority <= highest:
        return
    accepted = f"from {lowest} to {highest}" if lowest < highest else "only 0: leave it out"
    yield Problem(
        where="priority",
        what=f"{spec.priority} asked for, at {site.name} is accepted {accepted}",
    )


def _checkpoint_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    given = granted(spec.resources, site, place(spec.resources, site).profile)
    if spec.checkpoint is None or given.walltime is None:
        return
    if timedelta(seconds=spec.checkpoint.seconds_before) + _SIGNALLED_EARLY >= given.walltime:
        yield Problem(
            where="checkpoint.seconds_before",
            what=f"{spec.checkpoint.seconds_before} s before the end may be no time after the "
            f"start: the job has {write_walltime(given.walltime)}, and Slurm may send the signal "
            "up to 60 s earlier still, when nobody listens yet",
        )


def may_reply(queue: str, site: Site) -> bool:
    """Whether the site sends replies to this queue: whoever may send jobs could name any."""
    return any(fnmatchcase(queue, it) for it in site.reply_queues)


def _reply_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    if spec.reply_to is None or may_reply(spec.reply_to.queue, site):
        return
    accepted = ", ".join(site.reply_queues) or "none"
    yield Problem(
        where="reply_to.queue",
        what=f"{spec.reply_to.queue!r} gets no replies from {site.name}; accepted: {accepted}",
    )


def _sweep_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    if spec.sweep is not None and spec.sweep.tasks > site.most_tasks:
        yield Problem(
            where="sweep",
            what=f"{spec.sweep.tasks} tasks asked for, {site.name} allows at most "
            f"{site.most_tasks} in one sweep",
        )


def _retry_problems(spec: JobSpec, site: Site) -> Iterator[Problem]:
    most = site.most_attempts
    if spec.retry is not None and spec.retry.attempts > most:
        yield Problem(
            where="retry.attempts",
            what=f"{spec.retry.attempts} asked for, the site allows at most {most}",
        )
