"""The scheduler that submits through pyslurm, and looks through another one."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog

from bridge.adapters.pyslurm.framing import Message
from bridge.adapters.pyslurm.process import Answer, WorkerProcess
from bridge.adapters.pyslurm.workers import Workers
from bridge.core.batch_options import read_options
from bridge.core.environment import scrubbed
from bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    OverBudgetError,
    Problem,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.facts import Sighting
from bridge.core.job import SlurmId, SubmissionTag
from bridge.core.job_description import describe
from bridge.core.settings import SchedulerSettings
from bridge.core.slurm_client import SlurmClient, misfit, written
from bridge.core.slurm_words import Verdict, failed_submission, said, verdict
from bridge.ports import Scheduler

INSTEAD = "set scheduler.kind: slurm, or scheduler.pyslurm_fallback: command-line"
"""The remedy for whatever pyslurm cannot do."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def worker_argv(settings: SchedulerSettings, python: str = sys.executable) -> tuple[str, ...]:
    """What starts a worker, with the same variables as Slurm's commands."""
    variables = (*settings.environment, ("LC_ALL", "C"))
    return (
        *("env", *(f"{name}={value}" for name, value in variables)),
        # Without -P a file in the current folder could stand in for a module.
        *(python, "-P", "-m", "bridge.adapters.pyslurm.worker"),
    )


class PyslurmScheduler:
    """A Scheduler whose jobs are submitted by pyslurm, in processes of their own.

    Whatever else there is to ask goes to `command_line`, and so does what pyslurm cannot do, where
    the site wants that. Threads may share it.
    """

    def __init__(
        self,
        settings: SchedulerSettings,
        *,
        command_line: Scheduler,
        client: Callable[[], SlurmClient],
        spend: Callable[[], None] = lambda: None,
        argv: Sequence[str] = (),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`client` tells of Slurm's commands here, and `spend` raises OverBudgetError.

        `argv` starts a worker otherwise than `worker_argv` does.
        """
        self._settings = settings
        self._command_line = command_line
        self._client = client
        self._spend = spend
        self._argv = argv or worker_argv(settings)
        self._environment = scrubbed(environment)
        self._falls_back = settings.pyslurm_fallback
        self._unfit: str | None = None
        self._workers = Workers(
            self._start, harmless=(SubmissionRefusedError, OverBudgetError, _NotForPyslurmError)
        )

    @property
    def unfit(self) -> str | None:
        """Why pyslurm cannot be used here, so that sbatch submits; None while it can."""
        return self._unfit

    def verify(self) -> bool:
        """See whether pyslurm can be used here, now.

        Raises ConfigurationError when it cannot, and the site wants nothing else. That Slurm does
        not answer is no mistake of the site's: it is asked again with each submission.
        """
        try:
            with self._workers.one():
                return True
        except _UnfitError as error:
            if not self._falls_back:
                problem = Problem(where="scheduler.kind", what=str(error))
                raise ConfigurationError(problem) from error
            self._give_up(error)
        except UnavailableError as error:
            log.warning("pyslurm_not_ready", words=str(error))
        return False

    def refusal(self, script: str) -> str | None:
        """Why pyslurm cannot be told of this script; None when it can. Raises UnavailableError."""
        with self._workers.one() as worker:
            try:
                _request(script, worker.hello)
            except _NotForPyslurmError as error:
                return str(error)
        return None

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    def submit(self, script: str) -> SlurmId:
        """Submit a batch script."""
        if self._unfit is not None:
            return self._command_line.submit(script)
        try:
            return self._submit(script)
        except _UnfitError as error:
            if not self._falls_back:
                raise
            self._give_up(error)
        except _NotForPyslurmError as error:
            if not self._falls_back:
                words = f"{error}; the site can {INSTEAD}"
                raise SubmissionRefusedError(words) from error
            log.info("submitted_by_command_line", words=str(error))
        return self._command_line.submit(script)

    def find(
        self, tags: Collection[SubmissionTag], *, since: datetime
    ) -> Mapping[SubmissionTag, tuple[SlurmId, ...]]:
        """Of each tag, every Slurm job that bears it, lowest id first."""
        return self._command_line.find(tags, since=since)

    def queue(self) -> tuple[Sighting, ...]:
        """All jobs of ours that squeue lists, also those that ended a moment ago."""
        return self._command_line.queue()

    def accounting(
        self, slurm_ids: Iterable[SlurmId], *, since: datetime
    ) -> tuple[Sighting, ...] | None:
        """The newest record of each job that accounting knows; None where accounting is off."""
        return self._command_line.accounting(slurm_ids, since=since)

    def cancel(self, jobs: Collection[tuple[SlurmId, SubmissionTag]]) -> None:
        """Ask Slurm to cancel those that bear their tags; their states alone tell of it."""
        self._command_line.cancel(jobs)

    def _submit(self, script: str) -> SlurmId:
        with self._workers.one() as worker:
            request = _request(script, worker.hello)
            self._spend()
            answer = worker.submit(request, patience=self._settings.submit_timeout)
            return _slurm_id(answer)

    def _start(self) -> WorkerProcess:
        worker = WorkerProcess(self._argv, self._environment, patience=self._settings.query_timeout)
        try:
            _check_fitness(worker.hello, self._client)
        except BaseException:
            worker.close()
            raise
        return worker

    def _give_up(self, error: UnavailableError) -> None:
        log.warning("pyslurm_not_used", words=str(error))
        self._unfit = str(error)


class _UnfitError(UnavailableError):
    """This pyslurm must not submit to this Slurm."""


class _NotForPyslurmError(BridgeError):
    """This script cannot be told to pyslurm."""


def _check_fitness(hello: Message, client: Callable[[], SlurmClient]) -> None:
    words = hello.get("unfit") or misfit(_version(hello), client())
    if words:
        raise _UnfitError(f"{words}; otherwise {INSTEAD}")


def _version(hello: Message) -> tuple[int, ...]:
    return tuple(hello["version"])


def _request(script: str, hello: Message) -> Message:
    version = _version(hello)
    try:
        told = describe(read_options(script), version)
    except ValueError as error:
        raise _NotForPyslurmError(str(error)) from error
    if unknown := sorted(told.attributes.keys() - set(hello["attributes"])):
        words = f"pyslurm {written(version)} has no {', '.join(unknown)}"
        raise _NotForPyslurmError(words)
    return {
        "script": script,
        "attributes": told.attributes,
        "environment": told.environment,
        "login_environment": told.login_environment,
    }


def _slurm_id(answer: Answer) -> SlurmId:
    match answer.message:
        case {"submitted": int(number)} if number > 0:
            return SlurmId(str(number))
        case {"refused": str(words)}:
            raise SubmissionRefusedError(words)
        case {"failed": str(words)}:
            # Which limit was reached stands only in what the library prints.
            text = f"{answer.printed}\n{words}"
            if verdict(text) is Verdict.AUTHENTICATION:
                log.error("slurm_does_not_accept_us", words=said(text))
            raise failed_submission(text, said(text))
        case message:
            words = str(message.get("doubtful", "a pyslurm worker gave no answer"))
            raise SubmissionUncertainError(words, is_understood=False)
