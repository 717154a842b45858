"""What a site's limits mean for the form: pure. The site's own checks decide."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Self, TypeVar

from bridge.core.errors import Problem
from bridge.core.quantity import read_memory_mib, read_walltime, write_walltime
from bridge.dashboard.form import NUMBERS
from bridge.wire.limits import LimitsData, SiteLimits

T = TypeVar("T")

_MIB_OF = {"T": 1024 * 1024, "G": 1024, "M": 1}
_TITLES = {
    "nodes": "nodes",
    "tasks": "tasks",
    "cpus_per_task": "CPUs for each task",
    "gpus": "GPUs per node",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one job may ask for; None is no limit."""

    most: dict[str, int | None]
    """By the names of the form's numbers."""
    memory_mib: int | None
    walltime_seconds: int | None
    min_walltime_seconds: int | None
    images: tuple[str, ...]
    gpu_types: tuple[str, ...]
    profiles: tuple[str, ...]
    default_walltime_seconds: int
    whose: str = "the site"

    @classmethod
    def of(cls, site: SiteLimits, profile: str = "") -> Self:
        """The site's, and those of one of its profiles where one is named and known."""
        bounds = cls(
            most={name: getattr(site.limits, name) for name in NUMBERS},
            memory_mib=site.limits.memory_mib,
            walltime_seconds=site.limits.walltime_seconds,
            min_walltime_seconds=site.limits.min_walltime_seconds,
            images=tuple(site.images),
            gpu_types=tuple(site.gpu_types),
            profiles=tuple(it.name for it in site.profiles),
            default_walltime_seconds=site.defaults.walltime_seconds,
        )
        for known in site.profiles:
            if known.name == profile:
                gpu_types = site.gpu_types if known.gpu_types is None else known.gpu_types
                bounds = replace(bounds, gpu_types=tuple(gpu_types))
                return bounds.narrowed(known.limits, f"the profile {profile}")
        return bounds

    def hints(self) -> dict[str, str]:
        """What is to be said below the fields, by their names."""
        said = {name: f"at most {most}" for name, most in self.most.items() if most}
        said["gpu_type"] = ", ".join(self.gpu_types) or "none to choose from here"
        said |= {name: "none here" for name, most in self.most.items() if most == 0}
        if self.memory_mib is not None:
            said["memory"] = f"per node, at most {memory_text(self.memory_mib)}, such as 2G"
        walltime = f"as HH:MM:SS; {_time(self.default_walltime_seconds)} when left out"
        if self.walltime_seconds is not None:
            walltime += f", at most {_time(self.walltime_seconds)}"
        if self.min_walltime_seconds is not None:
            walltime += f", at least {_time(self.min_walltime_seconds)}"
        said["walltime"] = walltime
        if self.images:
            said["image"] = f"accepted here: {', '.join(self.images)}"
        return said

    def problems(self, job: Mapping[str, Any]) -> list[Problem]:
        """All that a job asks beyond the bounds; `where` is the field, as in a job message."""
        asked = job.get("resources") or {}
        found = [*self._numbers(asked), *self._memory(asked), *self._walltime(asked)]
        gpu_type = asked.get("gpu_type")
        if gpu_type and gpu_type not in self.gpu_types:
            known = ", ".join(self.gpu_types) or "none"
            what = f"{self.whose} has {known} (found {gpu_type})"
            found.append(_problem("resources.gpu_type", what))
        image = job.get("image")
        if image and self.images and not any(fnmatchcase(image, it) for it in self.images):
            found.append(_problem("image", f"{self.whose} accepts {', '.join(self.images)}"))
        profile = asked.get("profile")
        if profile and profile not in self.profiles:
            known = ", ".join(self.profiles) or "none"
            found.append(_problem("resources.profile", f"the site has {known} (found {profile})"))
        return found

    def _numbers(self, asked: Mapping[str, Any]) -> Iterator[Problem]:
        for name, most in self.most.items():
            if name in asked and most is not None and asked[name] > most:
                what = f"{self.whose} gives at most {most} {_TITLES[name]} (found {asked[name]})"
                yield _problem(f"resources.{name}", what)

    def _memory(self, asked: Mapping[str, Any]) -> Iterator[Problem]:
        memory = _read(read_memory_mib, asked.get("memory"))
        if memory is not None and self.memory_mib is not None and memory > self.memory_mib:
            most = memory_text(self.memory_mib)
            what = f"{self.whose} gives at most {most} per node (found {asked['memory']})"
            yield _problem("resources.memory", what)

    def _walltime(self, asked: Mapping[str, Any]) -> Iterator[Problem]:
        time = _read(read_walltime, asked.get("walltime"))
        if time is None:
            return
        most, least = self.walltime_seconds, self.min_walltime_seconds
        found = f"(found {asked['walltime']})"
        if most is not None and time > timedelta(seconds=most):
            what = f"{self.whose} gives at most {_time(most)} {found}"
            yield _problem("resources.walltime", what)
        if least is not None and time < timedelta(seconds=least):
            what = f"{self.whose} wants at least {_time(least)} {found}"
            yield _problem("resources.walltime", what)

    def narrowed(self, other: LimitsData, whose: str) -> Self:
        """These and others together, which are said to be `whose`."""
        starts = [self.min_walltime_seconds, other.min_walltime_seconds]
        return replace(
            self,
            most={name: _lower(most, getattr(other, name)) for name, most in self.most.items()},
            memory_mib=_lower(self.memory_mib, other.memory_mib),
            walltime_seconds=_lower(self.walltime_seconds, other.walltime_seconds),
            min_walltime_seconds=max((it for it in starts if it is not None), default=None),
            whose=whose,
        )


def memory_text(mib: int) -> str:
    """Memory as a job asks for it: `64G`."""
    unit = next(it for it, size in _MIB_OF.items() if mib % size == 0)
    return f"{mib // _MIB_OF[unit]}{unit}"


def _lower(one: int | None, other: int | None) -> int | None:
    return min((it for it in (one, other) if it is not None), default=None)


def _time(seconds: int) -> str:
    return write_walltime(timedelta(seconds=seconds))


def _read(read: Callable[[str], T], text: object) -> T | None:
    # What cannot be read, the job message's own rules tell.
    try:
        return read(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _problem(where: str, what: str) -> Problem:
    return Problem(where=where, what=what)


def limit_facts(site: SiteLimits) -> list[tuple[str, str]]:
    """What a site allows, each with its title."""
    bounds = Bounds.of(site)
    facts = [
        (f"{title[0].upper()}{title[1:]}", str(most))
        for name, title in _TITLES.items()
        if (most := bounds.most[name]) is not None
    ]
    if bounds.memory_mib is not None:
        facts.append(("Memory per node", memory_text(bounds.memory_mib)))
    if bounds.walltime_seconds is not None:
        facts.append(("Longest time", _time(bounds.walltime_seconds)))
    facts.append(("Time when none is asked", _time(bounds.default_walltime_seconds)))
    if bounds.profiles:
        facts.append(("Profiles", ", ".join(bounds.profiles)))
    facts += [("Containers", site.runtime), ("Images", ", ".join(site.images))]
    return facts
