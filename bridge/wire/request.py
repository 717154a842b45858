"""Job messages, read: bytes in, a job that is understood or every reason why not."""

import hashlib
import json
from collections.abc import Iterator
from uuid import UUID

import yaml
from pydantic import JsonValue, ValidationError

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    Dependency,
    JobId,
    JobSpec,
    Mount,
    Parameters,
    ParametersFormat,
    ReplyTo,
    Resources,
    RetryWish,
    ShellLine,
    Sweep,
)
from bridge.core.partly_read import PartlyRead, PartlyReadError, known_problems
from bridge.core.quantity import read_duration, read_memory_mib, read_walltime
from bridge.core.wanted import echo
from bridge.wire.job_fields import ACCEPTED
from bridge.wire.job_message import (
    FORMS,
    SECTIONS,
    STAND_INS,
    CheckpointMessage,
    JobMessage,
    ReplyToMessage,
    RetryMessage,
    SweepMessage,
)
from bridge.wire.json_text import read_json
from bridge.wire.problems import fields_meant, problems_of
from bridge.wire.readable import readable
from bridge.wire.sweep import sweep_problems, tasks_in


def read_job(body: bytes, *, site: str) -> JobSpec:
    """The job in a message that arrived at `site`.

    Raises InvalidRequestError with every mistake in its form at once, and the job's id where it is
    readable; PartlyReadError where the rest of it can be read.
    """
    return _spec(read_message(body, site=site))


def read_message(body: bytes, *, site: str) -> JobMessage:
    """The message, in which nothing is wrong: for who sends it. Raises as `read_job`."""
    data = read_json(body)
    read = readable(JobMessage, data, STAND_INS)
    message, error = read.model, read.error
    problems = [] if error is None else list(job_problems(error))
    if message is None:
        raise InvalidRequestError(*problems, job_id=_readable_id(data))
    unread = read.unread if error is None else read.unread | fields_meant(error, SECTIONS)
    is_meant = message.site in (None, site) or "site" in unread
    if not is_meant:
        what = f"the job is meant for {echo(message.site)}, and this is {site!r}"
        problems.append(Problem(where="site", what=what))
    beyond = tuple(known_problems(_form_problems(message, len(body), unread), unread))
    problems += beyond
    if problems:
        unread |= {it.where for it in beyond}
        rest = (_partly(message, unread),) if is_meant else ()
        raise PartlyReadError(*problems, rest=rest, job_id=_readable_id(data))
    return message


def _partly(message: JobMessage, unread: frozenset[str]) -> PartlyRead:
    # What the parameters say is judged by nobody, and to write them takes seconds.
    params = None if message.params is None else dict[str, JsonValue]()
    return PartlyRead(spec=_spec(message.model_copy(update={"params": params})), unread=unread)


def job_problems(error: ValidationError) -> tuple[Problem, ...]:
    """What is wrong with a job message, in our words."""
    return problems_of(error, tags=FORMS, patterns=ACCEPTED, sections=SECTIONS)


def fingerprint(body: bytes) -> str:
    """Equal for messages that say the same, whatever their spacing and the order of their keys."""
    canonical = json.dumps(read_json(body), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _readable_id(data: object) -> str | None:
    found = data.get("job_id") if isinstance(data, dict) else None
    try:
        return str(UUID(found)) if isinstance(found, str) else None
    except ValueError:
        return None


def _form_problems(message: JobMessage, size: int, unread: frozenset[str]) -> Iterator[Problem]:
    """What no field shows by itself."""
    yield from _pointless(message, unread)
    yield from _dependency_problems(message)
    yield from sweep_problems(message, size=size)


def _pointless(message: JobMessage, unread: frozenset[str]) -> Iterator[Problem]:
    """What would be passed over in silence, since what it speaks of is not there."""
    has_params = message.params is not None or message.sweep is not None
    if not has_params and unread.isdisjoint({"params", "sweep"}):
        for field in ("params_format", "params_path", "params_as_argument"):
            if field in message.model_fields_set:
                yield Problem(where=field, what="has no effect without params")
    has_gpus = message.resources.gpus or "resources.gpus" in unread
    if message.resources.gpu_type is not None and not has_gpus:
        yield Problem(where="resources.gpu_type", what="has no effect without gpus")


def _dependency_problems(message: JobMessage) -> Iterator[Problem]:
    named = [it.job_id for it in message.depends_on]
    for index, job_id in enumerate(named):
        where = f"depends_on.{index}.job_id"
        if job_id == message.job_id:
            yield Problem(where=where, what="the job itself; no job can wait for its own end")
        if job_id in named[:index]:
            yield Problem(where=where, what=f"{job_id} stands twice in this list")


def _spec(message: JobMessage) -> JobSpec:
    asked = message.resources
    command = message.command
    return JobSpec(
        job_id=JobId(str(message.job_id)),
        name=message.name,
        kind=message.kind,
        image=message.image,
        command=ShellLine(text=command)
        if isinstance(command, str)
        else ArgumentList(arguments=tuple(command)),
        parameters=_parameters(message),
        environment=tuple(message.env.items()),
        secrets=tuple(message.secrets.items()),
        mounts=tuple(
            Mount(source=it.source, target=it.target, read_only=it.read_only)
            for it in message.mounts
        ),
        resources=Resources(
            nodes=asked.nodes,
            tasks=asked.tasks,
            cpus_per_task=asked.cpus_per_task,
            gpus=asked.gpus,
            gpu_type=asked.gpu_type,
            memory_mib=None if asked.memory is None else read_memory_mib(asked.memory),
            walltime=None if asked.walltime is None else read_walltime(asked.walltime),
            partition=asked.partition,
            qos=asked.qos,
            account=asked.account,
            constraint=asked.constraint,
            profile=asked.profile,
        ),
        priority=message.priority,
        labels=tuple(message.labels.items()),
        user=message.user,
        retry=_retry(message.retry),
        checkpoint=_checkpoint(message.checkpoint),
        depends_on=tuple(
            Dependency(job_id=JobId(str(it.job_id)), condition=it.condition)
            for it in message.depends_on
        ),
        reply_to=_reply_to(message.reply_to),
        sweep=_sweep(message.sweep),
    )


def _reply_to(message: ReplyToMessage | None) -> ReplyTo | None:
    if message is None:
        return None
    return ReplyTo(
        queue=message.queue, correlation_id=message.correlation_id, job_type=message.job_type
    )


def _checkpoint(message: CheckpointMessage | None) -> Checkpoint | None:
    if message is None:
        return None
    return Checkpoint(signal=message.signal, seconds_before=message.seconds_before)


def _sweep(message: SweepMessage | None) -> Sweep | None:
    if message is None:
        return None
    return Sweep(tasks=tasks_in(message), at_once=message.at_once)


def _retry(message: RetryMessage | None) -> RetryWish | None:
    if message is None:
        return None
    return RetryWish(
        attempts=message.attempts,
        reasons=None if message.reasons is None else frozenset(message.reasons),
        exit_codes=frozenset(message.exit_codes),
        wait=None if message.wait is None else read_duration(message.wait),
        walltime_factor=message.walltime_factor,
        memory_factor=message.memory_factor,
    )


def _parameters(message: JobMessage) -> Parameters | None:
    if message.params is None:
        return None
    return Parameters(
        text=_written(message.params, message.params_format),
        format=message.params_format,
        path=message.params_path,
        as_argument=message.params_as_argument,
    )


def _written(params: dict[str, JsonValue], form: ParametersFormat) -> str:
    # ASCII with escapes: U+0085 and its like, written as they are, would be read as blanks by YAML.
    if form is ParametersFormat.JSON:
        return json.dumps(params, indent=2) + "\n"
    return yaml.safe_dump(params, sort_keys=False)
