"""Looks whether a site's Slurm is as the site's file says. Nothing is changed there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridge.adapters.slurm.commands import WORDS, configuration_argv, read_configuration
from bridge.adapters.slurm.inventory import (
    Association,
    Partition,
    associations_argv,
    features_argv,
    features_in,
    partitions_argv,
    qos_argv,
    read_associations,
    read_features,
    read_names,
    read_partitions,
    read_version,
    seconds_of,
    version_argv,
)
from bridge.core.errors import UnavailableError
from bridge.core.finding import Finding, note, ok, skipped, wrong
from bridge.core.quantity import write_walltime
from bridge.core.settings import SiteSettings
from bridge.core.site import Site
from bridge.core.slurm_words import ACCOUNTING_IS_OFF, Verdict, said, verdict
from bridge.ports import Completed, Runner

NOT_FOUND = 127
"""The return code of a command that was not started (sh(1))."""
_NOT_NOW = (Verdict.UNCERTAIN, Verdict.UNAVAILABLE, Verdict.SITE_FULL)
COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A script as a job would get it."""

    name: str
    script: str


class SlurmExamination:
    """Asks Slurm through its commands, as the user whose jobs the bridge submits."""

    def __init__(self, runner: Runner, settings: SiteSettings) -> None:
        self._runner = runner
        self._settings = settings
        self._site = settings.site

    def findings(self, samples: Iterable[Sample]) -> Iterator[Finding]:
        """Everything, in the order in which it builds on one another. UnavailableError."""
        commands = list(self._commands())
        yield from commands
        try:
            known = read_configuration(self._ask(configuration_argv()))
        except UnavailableError as error:
            remedy = "is slurmctld running, and does scheduler.environment lead to it?"
            yield wrong("controller", str(error), remedy)
            return
        cluster, version = known.get("ClusterName"), known.get("SLURM_VERSION")
        yield ok("controller", f"cluster {cluster}, Slurm {version}")
        yield from self._times(known)
        yield self._accounting()
        yield from self._partitions()
        yield from self._rights(known)
        yield from self._constraints()
        yield from self._samples(samples)

    def _commands(self) -> Iterator[Finding]:
        for command in COMMANDS:
            answer = self._ask(version_argv(command))
            version = read_version(answer)
            if version is None:
                words = said(answer.stderr) or said(answer.stdout) or "does not answer"
                remedy = "say where Slurm's commands are in scheduler.environment, as PATH"
                yield wrong(f"command {command}", words, remedy)
            else:
                yield ok(f"command {command}", f"Slurm {version}")

    def _times(self, config: Mapping[str, str]) -> Iterator[Finding]:
        polling, scheduler = self._settings.polling, self._settings.scheduler
        kept = seconds_of(config.get("MinJobAge"))
        if kept is not None and kept < polling.looks.min_job_age:
            yield wrong(
                "MinJobAge",
                f"Slurm forgets jobs after {_seconds(kept)}, sooner than polling.min_job_age says",
                f"set polling.min_job_age to {_seconds(kept)}",
            )
        timeout = seconds_of(config.get("MessageTimeout"))
        if timeout is not None and 2 * timeout > scheduler.settle_time:
            yield wrong(
                "MessageTimeout",
                f"an sbatch that was cut off may arrive for {_seconds(2 * timeout)}, longer than "
                "scheduler.settle_time says",
                f"set scheduler.settle_time to {_seconds(2 * timeout)} at least",
            )

    def _accounting(self) -> Finding:
        answer = self._ask(("sacct", "-X", "--noheader", "--parsable2", "--starttime", "now"))
        if answer.return_code == 0:
            return ok("accounting", "on")
        if ACCOUNTING_IS_OFF in answer.stderr:
            words = "off: how jobs ended is seen in squeue and by the marks of their scripts"
            return note("accounting", words)
        return wrong("accounting", said(answer.stderr) or "no answer", "is slurmdbd running?")

    def _partitions(self) -> Iterator[Finding]:
        there = read_partitions(self._answered(partitions_argv()))
        wanted = _places(self._site, "partition")
        if not wanted and not any(it.is_default for it in there.values()):
            yield wrong(
                "partition",
                f"Slurm has no default partition, and the site's file names none of {_all(there)}",
                "name one in defaults.partition",
            )
        for names, places in wanted.items():
            for name in names.split(","):
                yield self._partition(name, there, places)

    def _partition(
        self, name: str, there: Mapping[str, Partition], places: Sequence[str]
    ) -> Finding:
        subject, found = f"partition {name}", there.get(name)
        if found is None:
            return wrong(
                subject, f"is not there; there are: {_all(there)}", f"correct {_and(places)}"
            )
        if not found.is_up:
            return note(subject, "is not up: its jobs wait", "ask the site when it will be")
        walltime = self._site.defaults.walltime
        is_default = "defaults.partition" in places
        if is_default and found.longest is not None and walltime > found.longest:
            return wrong(
                subject,
                f"takes jobs of {write_walltime(found.longest)} at most, less than "
                f"defaults.walltime",
                f"set defaults.walltime to {write_walltime(found.longest)} at most",
            )
        return ok(subject, "is up")

    def _rights(self, config: Mapping[str, str]) -> Iterator[Finding]:
        accounts, qos = _places(self._site, "account"), _places(self._site, "qos")
        if not accounts and not qos:
            return
        user = self._answered(("id", "-un")).strip()
        answer = self._ask(associations_argv(user))
        associations = read_associations(answer.stdout) if answer.return_code == 0 else ()
        if not associations:
            why = said(answer.stderr) or f"sacctmgr has no association of {user}"
            for name in accounts:
                yield skipped(f"account {name}", f"not known: {why}")
            for name in qos:
                yield skipped(f"QOS {name}", f"not known: {why}")
            return
        enforced = config.get("AccountingStorageEnforce", "")
        yield from _accounts(accounts, associations, user, enforced)
        yield from self._qos(qos, associations, user)

    def _qos(
        self,
        wanted: Mapping[str, Sequence[str]],
        associations: Sequence[Association],
        user: str,
    ) -> Iterator[Finding]:
        there = read_names(self._answered(qos_argv())) if wanted else frozenset()
        allowed = frozenset().union(*(it.qos for it in associations))
        for name, places in wanted.items():
            subject = f"QOS {name}"
            if name not in there:
                words = f"is not there; {user} may use: {_all(allowed)}"
                yield wrong(subject, words, f"correct {_and(places)}")
            elif name not in allowed:
                words = f"is not {user}'s to use; allowed: {_all(allowed)}"
                yield wrong(subject, words, f"ask the site for it, or correct {_and(places)}")
            else:
                yield ok(subject, f"{user} may use it")

    def _constraints(self) -> Iterator[Finding]:
        wanted = _places(self._site, "constraint")
        there = read_features(self._answered(features_argv())) if wanted else frozenset()
        for name, places in wanted.items():
            missing = features_in(name) - there
            subject = f"constraint {name}"
            if missing:
                words = f"no node has {_all(missing)}; there are: {_all(there) or 'no features'}"
                yield wrong(subject, words, f"correct {_and(places)}")
            else:
                yield ok(subject, "there are nodes with it")

    def _samples(self, samples: Iterable[Sample]) -> Iterator[Finding]:
        for sample in samples:
            subject = f"sbatch --test-only, {sample.name}"
            answer = self._ask(("sbatch", "--test-only"), stdin=sample.script)
            if answer.return_code == 0:
                words = said(answer.stderr).removeprefix("sbatch: ")
                yield ok(subject, words or "Slurm would take it")
                continue
            meant = verdict(answer.stderr)
            words = said(answer.stderr) or f"sbatch ended with {answer.return_code}"
            if meant in _NOT_NOW or answer.return_code in (None, NOT_FOUND):
                yield skipped(subject, f"Slurm cannot tell now: {words}")
            else:
                yield wrong(subject, words, "correct what the site's file says for such jobs")

    def _answered(self, argv: Sequence[str]) -> str:
        answer = self._ask(argv)
        if answer.return_code != 0:
            raise UnavailableError(f"{argv[0]}: {said(answer.stderr) or 'does not answer'}")
        return answer.stdout

    def _ask(self, argv: Sequence[str], *, stdin: str = "") -> Completed:
        scheduler = self._settings.scheduler
        variables = (f"{name}={value}" for name, value in (*scheduler.environment, *WORDS))
        try:
            return self._runner.run(
                ("env", *variables, *argv), stdin=stdin, timeout=scheduler.query_timeout
            )
        except UnavailableError as error:
            return Completed(return_code=NOT_FOUND, stdout="", stderr=str(error))


def _accounts(
    wanted: Mapping[str, Sequence[str]],
    associations: Sequence[Association],
    user: str,
    enforced: str,
) -> Iterator[Finding]:
    allowed = {it.account for it in associations}
    for name, places in wanted.items():
        subject = f"account {name}"
        if name in allowed:
            yield ok(subject, f"{user} may charge it")
            continue
        words, remedy = f"is not {user}'s; allowed: {_all(allowed)}", f"correct {_and(places)}"
        if "associations" in enforced:
            yield wrong(subject, words, f"{remedy}, or ask the site for it")
        else:
            yield note(subject, f"{words}; this Slurm does not insist", remedy)


def _places(site: Site, field: str) -> Mapping[str, Sequence[str]]:
    """The values that a job's option may get, each with the places of the file that name it."""
    plural = {"partition": "partitions", "account": "accounts", "constraint": "constraints"}
    chosen = plural.get(field, field)
    places: dict[str, list[str]] = {}
    if (default := getattr(site.defaults, field)) is not None:
        places.setdefault(default, []).append(f"defaults.{field}")
    for choice in getattr(site.choices, chosen):
        places.setdefault(choice, []).append(f"choices.{chosen}")
    for profile in site.profiles:
        if (own := getattr(profile, field)) is not None:
            places.setdefault(own, []).append(f"profiles.{profile.name}.{field}")
    return places


def _all(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _and(places: Sequence[str]) -> str:
    return " and ".join(places)


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.0f}s"
