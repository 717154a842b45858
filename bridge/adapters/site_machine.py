"""Looks at the machine where a site's commands run: log-in, clock, folders, runtime, images."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePosixPath

from bridge.core.errors import UnavailableError
from bridge.core.finding import Finding, note, ok, skipped, wrong
from bridge.core.roots import fixed_part
from bridge.core.settings import SchedulerKind, SiteSettings
from bridge.core.site import Runtime, spool_folder
from bridge.ports import Clock, Completed, Runner

PATIENCE = timedelta(seconds=30)
CLOCKS_DIFFER_BY = timedelta(seconds=30)
"""Half of what the bridge allows for when it compares Slurm's times with its own."""
LITTLE_MIB = 1024

_PROGRAMS = {
    Runtime.APPTAINER: "apptainer",
    Runtime.SINGULARITY: "singularity",
    Runtime.SHIFTER: "shifter",
    Runtime.PODMAN_HPC: "podman-hpc",
    Runtime.CHARLIECLOUD: "ch-run",
    Runtime.CONDA: "conda",
}
_AVAILABLE_COLUMN = 3


class MachineExamination:
    """Runs commands there that change nothing, but for one file that is removed at once."""

    def __init__(self, runner: Runner, settings: SiteSettings, clock: Clock) -> None:
        self._runner = runner
        self._settings = settings
        self._site = settings.site
        self._clock = clock

    def login(self) -> Iterator[Finding]:
        """Whether commands can be run there at all, and whether the clocks agree.

        Raises UnavailableError.
        """
        before = self._clock.now()
        answer = self._run("date", "+%s")
        after = self._clock.now()
        access = self._settings.scheduler.access
        if access is not None:
            who = self._run("id", "-un").stdout.strip()
            yield ok("login", f"{access.host}, as {who}")
        text = answer.stdout.strip()
        if answer.return_code != 0 or not text.isdecimal():
            yield skipped("clock", "date does not answer")
            return
        there = int(text)
        # Its answer has whole seconds.
        early = before.timestamp() - 1 - there
        late = there - after.timestamp()
        if max(early, late) > CLOCKS_DIFFER_BY.total_seconds():
            words = f"{max(early, late):.0f} s between the clock there and the one here"
            yield wrong("clock", words, "have both kept by NTP")
        else:
            yield ok("clock", "agrees with the one here")

    def folders(self) -> Iterator[Finding]:
        """The work root: there, writable, with room."""
        root, spool = self._site.work_root, spool_folder(self._site)
        if not self._holds("-d", root):
            yield self._missing(root)
            return
        made = self._run("mktemp", "--", f"{root}/.hpc-bridge-check.XXXXXXXXXX")
        if made.return_code != 0:
            words = made.stderr.strip() or f"{root} may not be written"
            yield wrong("work root", words, "give it to the user whose jobs the bridge submits")
            return
        self._run("rm", "-f", "--", made.stdout.strip())
        kind = self._run("stat", "-f", "-c", "%T", "--", root).stdout.strip() or "unknown"
        yield ok("work root", f"{root} may be written; file system {kind}")
        yield self._room(root)
        if self._holds("-e", spool) and not self._holds("-w", spool):
            yield wrong("spool", f"{spool} may not be written", f"chown it, or remove {spool}")

    def runtime(self) -> Iterator[Finding]:
        """What starts the jobs' commands."""
        runtime = self._site.containers.runtime
        program = _PROGRAMS.get(runtime)
        subject = f"runtime {runtime}"
        if program is None:
            yield ok(subject, "needs no program: commands are run as they are")
            return
        path = dict(self._site.environment).get("PATH")
        variables = () if path is None else (f"PATH={path}",)
        found = self._run("env", *variables, "sh", "-c", 'command -v "$1"', "sh", program)
        if found.return_code == 0:
            yield ok(subject, found.stdout.strip())
        elif self._settings.scheduler.kind is SchedulerKind.LOCAL:
            yield wrong(subject, f"there is no {program}", f"install {program}, or add its PATH")
        else:
            words = f"there is no {program} where Slurm's commands run; the nodes may have it"
            yield note(subject, words, "load it in `setup`, or add its PATH to `environment`")

    def images(self) -> Iterator[Finding]:
        """The folders that images come from, and those that they are unpacked in."""
        containers = self._site.containers
        # Without a container, what a job names as its image is nothing.
        patterns = () if containers.runtime is Runtime.COMMAND else containers.images
        for pattern in patterns:
            subject = f"images {pattern}"
            if not pattern.startswith("/"):
                yield skipped(subject, "no files: the runtime knows them by name")
                continue
            place = fixed_part(pattern)
            if self._holds("-r", place):
                yield ok(subject, f"{place} can be read")
            else:
                words = f"{place} is not there, or cannot be read"
                yield wrong(subject, words, "put images there, or correct containers.images")
        for field, folder in (
            ("cache", containers.cache),
            ("scratch", containers.scratch),
            ("pull_folder", containers.pull_folder),
        ):
            if folder is None:
                continue
            subject = f"containers.{field}"
            if not self._holds("-e", folder):
                yield note(subject, f"{folder} is not there yet; scripts make it")
            elif self._holds("-w", folder):
                yield ok(subject, f"{folder} may be written")
            else:
                yield wrong(subject, f"{folder} may not be written", f"chown {folder}")

    def secrets(self) -> Iterator[Finding]:
        """Whether the user whose jobs are submitted can read what they may have."""
        for secret in self._site.secrets:
            subject = f"secret {secret.reference}"
            if self._holds("-r", secret.file):
                yield ok(subject, f"{secret.file} can be read")
            else:
                words = f"{secret.file} is not there, or cannot be read"
                yield note(subject, words, "the nodes may have it: jobs that want it end there")

    def script(self, text: str) -> Finding:
        """Whether bash can read a script of the site, its `setup` included."""
        answer = self._run("bash", "-n", stdin=text)
        if answer.return_code == 0:
            return ok("script", "bash can read it")
        return wrong("script", answer.stderr.strip(), "correct `setup`, or the site's templates")

    def _missing(self, root: str) -> Finding:
        """The bridge makes it, with all above it, as far as it may."""
        above = next(it for it in PurePosixPath(root).parents if self._holds("-e", str(it)))
        if self._holds("-d", str(above)) and self._holds("-w", str(above)):
            return note("work root", f"{root} is not there yet; the bridge makes it")
        return wrong(
            "work root",
            f"there is no folder {root}, and none can be made in {above}",
            f"mkdir -p {root}, and give it to the user whose jobs the bridge submits",
        )

    def _room(self, root: str) -> Finding:
        lines = self._run("df", "-Pk", "--", root).stdout.splitlines()
        columns = lines[-1].split() if lines else []
        free = columns[_AVAILABLE_COLUMN] if len(columns) > _AVAILABLE_COLUMN else ""
        if not free.isdecimal():
            return skipped("free space", "df does not answer")
        mib = int(free) // 1024
        if mib < LITTLE_MIB:
            return note("free space", f"{mib} MiB in {root}", "make room: jobs write there")
        return ok("free space", f"{mib // 1024} GiB in {root}")

    def _holds(self, test: str, path: str) -> bool:
        return self._run("test", test, path).return_code == 0

    def _run(self, *argv: str, stdin: str = "") -> Completed:
        answer = self._runner.run(argv, stdin=stdin, timeout=PATIENCE)
        if answer.return_code is None:
            raise UnavailableError(f"{argv[0]} did not end in {PATIENCE.total_seconds():.0f} s")
        return answer
