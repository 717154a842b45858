"""Images at the site, asked for and fetched with the runtime's own commands."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from bridge.core.errors import ImagePullError, UnavailableError
from bridge.core.site import CACHE_VARIABLES, PULLED_TO_FILES, Runtime, Site
from bridge.ports import Completed, Runner
from bridge.script import pull_of

_A_LOOK = timedelta(minutes=1)
_LONGEST_WORDS = 500

_INTO_A_FILE = """\
mkdir -p -- "$1" && exec 9>>"$2" && flock 9 || exit
[ -e "$3" ] || { "$5" pull --force -- "$3.part" "$4" && mv -fT -- "$3.part" "$3"; }
"""
"""As job scripts do it, and under the same lock: folder, lock, file, image and runtime."""


class SiteImages:
    """Images over a Runner: where the site's commands are run. Threads may share it."""

    def __init__(self, runner: Runner, site: Site) -> None:
        """Of the site's own `environment`, all is set; its `setup` is for jobs only."""
        self._runner = runner
        self._site = site

    def has(self, image: str) -> bool:
        """See Images. Exit codes other than 0 say that it is not there."""
        return self._run(self._looking_for(image), timeout=_A_LOOK).return_code == 0

    def pull(self, image: str) -> None:
        """See Images."""
        timeout = self._site.containers.pull_timeout
        try:
            done = self._run(self._pulling(image), timeout=timeout)
        except _TookTooLongError:
            what = f"{image} was not there after {timeout.total_seconds():.0f} s"
            raise ImagePullError(what) from None
        if done.return_code != 0:
            words = " ".join((done.stderr or done.stdout).split())[-_LONGEST_WORDS:]
            raise ImagePullError(f"{image} could not be pulled: {words or done.return_code}")

    def _looking_for(self, image: str) -> tuple[str, ...]:
        runtime = self._site.containers.runtime
        if runtime is Runtime.SHIFTER:
            return ("shifterimg", "lookup", image)
        if runtime is Runtime.PODMAN_HPC:
            return ("podman-hpc", "image", "exists", image)
        return ("test", "-e", self._file(image)[2])

    def _pulling(self, image: str) -> tuple[str, ...]:
        runtime = self._site.containers.runtime
        if runtime is Runtime.SHIFTER:
            return ("shifterimg", "pull", image)
        if runtime is Runtime.PODMAN_HPC:
            return ("podman-hpc", "pull", image)
        return ("sh", "-c", _INTO_A_FILE, "sh", *self._file(image), image, runtime)

    def _file(self, image: str) -> tuple[str, str, str]:
        pull = pull_of(image, self._site)
        if pull is None or self._site.containers.runtime not in PULLED_TO_FILES:
            raise ImagePullError(f"{image} is none that this site pulls")
        return pull.folder, pull.lock, pull.file

    def _run(self, argv: Sequence[str], *, timeout: timedelta) -> Completed:
        done = self._runner.run(("env", *self._variables(), *argv), timeout=timeout)
        if done.return_code is None:
            raise _TookTooLongError(f"{argv[0]} did not end in {timeout.total_seconds():.0f} s")
        return done

    def _variables(self) -> Iterator[str]:
        containers = self._site.containers
        for name, value in self._site.environment:
            yield f"{name}={value}"
        names = CACHE_VARIABLES.get(containers.runtime, ())
        for name, folder in zip(names, (containers.cache, containers.scratch), strict=False):
            if folder is not None:
                yield f"{name}={folder}"


class _TookTooLongError(UnavailableError):
    """The command was killed."""
