"""Writes docs/messages.md from the models of what goes in and out; `--check` only compares."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from drawn_page import table, write_or_check
from lifecycle_page import EVENT_MEANS
from model_tables import field_table, sections_in
from pydantic import BaseModel

from bridge.core.failure import FailureReason
from bridge.core.job import JobId, SlurmId
from bridge.core.lifecycle import Event, EventKind, Job, Phase
from bridge.core.settings import BrokerSettings
from bridge.core.site import ContainerRules, Runtime, Site, SlurmDefaults
from bridge.wire.control import CancelMessage, cancel_message, read_cancel
from bridge.wire.event import CONTENT_TYPE, CloudEvent, EventData, decode, encode
from bridge.wire.job_fields import ACCEPTED
from bridge.wire.job_message import MOST_DEPENDENCIES, JobMessage
from bridge.wire.json_text import DEEPEST_LEVELS, LONGEST_BYTES
from bridge.wire.request import read_job

JOB_ID = JobId("0b0f3f1e-4f0e-4f0e-9f5e-0d3d8f0c9a11")
SITE = Site(
    name="vaughan",
    tag_prefix="hpc-bridge",
    work_root="/scratch/bridge",
    containers=ContainerRules(runtime=Runtime.APPTAINER, images=("/images/*.sif",)),
    defaults=SlurmDefaults(walltime=timedelta(hours=1)),
)
BROKER = BrokerSettings(host="", port=0, virtual_host="", user="", password="")

NAMES = {pattern: words.replace(" is wanted", "") for pattern, words in ACCEPTED.items()}

SMALLEST: Mapping[str, object] = {
    "version": 1,
    "job_id": JOB_ID,
    "name": "hello",
    "image": "/images/busybox.sif",
    "command": "echo hello from $(hostname)",
}
LARGE: Mapping[str, object] = {
    "version": 1,
    "job_id": JOB_ID,
    "site": "vaughan",
    "name": "digits, first try",
    "kind": "training",
    "image": "/images/sklearn.sif",
    "command": ["python3", "train.py", "--epochs", "20"],
    "params": {"learning_rate": 0.01, "layers": [64, 32]},
    "env": {"OMP_NUM_THREADS": "2"},
    "mounts": [{"source": "/data/digits", "target": "/data", "read_only": True}],
    "resources": {"cpus_per_task": 2, "memory": "2G", "walltime": "00:10:00"},
    "labels": {"experiment": "digits-7"},
    "user": "ada",
    "depends_on": [{"job_id": "0b0f3f1e-4f0e-4f0e-9f5e-0d3d8f0c9a10", "condition": "afterok"}],
    "retry": {"attempts": 3, "reasons": ["timeout", "node-failure"], "walltime_factor": 2},
}

REASONS: Mapping[FailureReason, str] = {
    FailureReason.EXIT_CODE: "the container ended with an exit code other than 0",
    FailureReason.SIGNAL: "a signal ended it",
    FailureReason.TIMEOUT: "its time limit was over",
    FailureReason.OUT_OF_MEMORY: "it took more memory than it had asked for",
    FailureReason.DEADLINE: "it could not end before its deadline",
    FailureReason.PREEMPTED: "Slurm took its place for another job, and did not requeue it",
    FailureReason.NODE_FAILURE: "a node failed under it",
    FailureReason.BOOT_FAILURE: "a node did not boot for it",
    FailureReason.REFUSED: "Slurm did not take it, no script could be written, or the script found "
    "that it may not run; see `detail`",
    FailureReason.IMAGE_PULL: "its image is not there, and could not be pulled; see `detail`",
    FailureReason.NO_IMAGE: "its image is not there, or cannot be read, and nobody was to pull it: "
    "nothing has run; see `detail`, its stderr says more",
    FailureReason.DEPENDENCY: "it waited for another job, which did not end as it should; see "
    "`detail`",
    FailureReason.TASKS: "of a sweep: not all of its tasks have finished",
    FailureReason.LOST: "Slurm knows it no longer, and nobody can say what became of it",
}

ATTRIBUTES: Mapping[str, str] = {
    "specversion": "`1.0`",
    "id": "unique for the event, the same at every delivery: `<job id>/<sequence>`; "
    "`<job id>/progress/<number>`; "
    "`rejected/<site>/<digest of the message>`; `site/<site>/<event>/<time>`",
    "source": "`/hpc-bridge/<site>`",
    "type": "`hpc-batch-bridge.job.<event>.v1`, of a site `hpc-batch-bridge.site.<event>.v1`",
    "subject": "the job's id; null where there is none",
    "time": "when it happened, as far as the bridge knows",
    "datacontenttype": "`application/json`",
    "sequence": "the number in `data`, in ten digits: the CloudEvents extension of that name wants "
    "text that sorts",
    "data": "as below",
}

OPENING = """\
# Messages

<!-- Drawn from the models in bridge/wire by scripts/message-page: change those, not this. -->

What a front end sends and what it hears, in JSON; as JSON schemas for a
[job](schema/job.json), a [control message](schema/control.json) and an [event](schema/event.json).
In Python, `bridge.client` does all of this
(`Submitter`, `Follower`); from the shell, [the command](command-line.md) does. How to do it with
any other AMQP library, and what survives what, is said on [the page about the
broker](broker.md)."""

STABILITY = """\
## What stays as it is

These messages are a public interface.

- Within version 1, **fields are added** to job and control messages only where they may be left
  out, and to events at any time; none is removed and none changes its meaning. New events and new
  words for `reason` may come: who reads must leave alone what it does not know.
- A bridge **rejects a field it does not know**, by its name, so that nothing a sender means is
  silently passed over. Send new fields only to bridges that know them.
- Whatever cannot be said so becomes version 2, in the `version` field and in the `type` of
  events; a bridge then goes on taking version 1 for at least one minor release, and the changelog
  says so."""

ADDRESSES = f"""\
## How to address a site

A site is addressed by its name, which is the routing key; the words are those of the default
namespace.

| What | Exchange | Routing key | Content type |
| --- | --- | --- | --- |
| a job | `{BROKER.jobs_exchange}` | the site's name | `application/json` |
| a cancel | `{BROKER.control_exchange}` | the site's name | `application/json` |
| events | `{BROKER.events_exchange}` | `<site>.<event>` | `{CONTENT_TYPE}` |

Send persistent messages with publisher confirms and the `mandatory` flag. A message that comes
back has no bridge to read it: nobody has ever served a site of that name at this broker. Listen
with binding keys such as `#` (everything), `vaughan.*` (one site) or `*.failed`. The message's
`message_id` is the event's id."""

JOB = f"""\
## The job message, version 1

UTF-8, at most {LONGEST_BYTES} bytes, at most {DEEPEST_LEVELS} lists or objects in each other, no
key twice in an object. The same `job_id` with the same content, however it is spelled, is the
same job, sent as often as you like; the same `job_id` with other content is rejected. What a site
does not allow (images, folders, limits) is rejected by that site.

The smallest:"""

DEPENDS_ON = f"""\
### Jobs that wait for others

`depends_on` names up to {MOST_DEPENDENCIES} other jobs of the same site. The bridge holds the job,
in the phase `blocked` and without a Slurm job, until each of them has ended as its `condition`
says; a job that is retried has not ended before its last attempt. A job that waits says so once,
with `pending`.

- They may arrive in any order. One that has not come within the site's `polling.unknown_grace`
  counts as one that will not.
- Where one of them ends otherwise, was rejected or does not come, the job ends there and then:
  `failed`, with the reason `dependency` and words that name it. With `afterany` every end will do,
  but an end there must be.
- A cancel ends a job that waits at once.
- A job that would close a circle is rejected."""

SWEEP = """\
### Sweeps

A job with a `sweep` is many: one task for each set of parameters, all in Slurm as **one array**, of
which `at_once` may run at the same time. How many tasks there may be, the site says
(`scheduler.most_tasks`). In a grid the last name changes fastest.

- Each task is a job of its own from the moment that Slurm has the array: with its own id, folder,
  events, log, cancel and retry. Its id is the version 5 UUID of its index (`0`, `1`, ...) with the
  sweep's id as the namespace, so a front end knows it beforehand; its events say in `task` whose it
  is, and Slurm knows it as `<slurm_id of the sweep>_<index>`. Its container finds its parameters as
  ever, and `BRIDGE_SWEEP_ID` and `BRIDGE_SWEEP_INDEX`.
- The sweep itself tells `accepted`, `queued`, `started` with its first task (where any has run,
  always before its end), and one end when all of them are over: `cancelled` where tasks were
  cancelled and none has failed, or somebody cancelled the sweep; else `failed`, with the reason
  `tasks`, where one has failed; else `finished`. `tasks` and `detail` have the counts.
- A task that is tried again (`retry`) is a Slurm job of its own from its second attempt on.
- To cancel the sweep cancels what is left of it; a task is cancelled like any job, also before it
  is one: a cancel that comes before the array is submitted is kept for it.
- A task that somebody cancels in Slurm itself (`scancel 4711_3`) while it waits is forgotten there:
  neither squeue nor sacct knows it any more (seen with Slurm 22.05). It is `cancelled` where
  accounting works, has nothing of it, and squeue still lists others of its array. Else nobody can
  tell it from a task that Slurm has lost: it ends as one, with the reason `lost`. With any filter
  beside the id of one task, such as `--name` or `--user`, `scancel` cancels all tasks of the array
  that wait (seen with 22.05).
- `depends_on` of a sweep holds all of it; a job that depends on a sweep waits for all its tasks."""

CANCEL = """\
## The cancel message, version 1

Ends a job, whether it waits or runs. What came of it is told by the job's events: `cancelled`, or
how it ended before the cancel reached it. Sent twice it is one wish. A cancel that overtakes its
job holds: the job is cancelled as it arrives. Until then the sender gets a `rejected` that says
so."""

EVENTS = """\
## Status events, version 1

[CloudEvents](https://cloudevents.io) 1.0 in structured JSON mode. An event comes **at least
once**: go by `id` to leave out what came before, and by `sequence` to put the events of one job
in order. Each job that was accepted tells exactly one of `finished`, `failed` and `cancelled`,
with the highest sequence. `progress` comes beside them: its `sequence` is 0, and a number of its
own puts it in order."""

DATA = """\
### `data`

Times are RFC 3339 in UTC, from the clock of whoever saw it happen. What is null is not known, or
not yet, or does not apply: a field that is there in one event may be null in an earlier one."""

REJECTED = """\
### `rejected`

Tells that a message was not accepted, whatever it was: garbage, a job with a mistake, a job that
this site does not take, an id that is taken, a cancel for a job that is not known. `problems`
names **every** mistake with its field; `job_id` is there when it could be read. It speaks of a
message and not of a job: a job that bears the same id already lives on, and its `sequence` of 0
has no place among that job's events. The same bytes give the same event `id`. The message itself
lies in the site's dead letter queue, but for a cancel whose job is not known."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page, or with `--check` returns 1 when it is not what would be written."""
    return write_or_check(
        "docs/messages.md",
        page(),
        program="scripts/message-page",
        does=__doc__,
        arguments=arguments,
    )


def page() -> str:
    """The whole page as Markdown; its examples are read as the bridge reads them."""
    for job in (SMALLEST, LARGE):
        read_job(json.dumps(job).encode(), site=SITE.name)
    read_cancel(cancel_message(JOB_ID))
    parts = [
        OPENING,
        STABILITY,
        ADDRESSES,
        JOB,
        as_json(SMALLEST),
        "One that says more:",
        as_json(LARGE),
        fields(JobMessage),
        *sections(JobMessage),
        DEPENDS_ON,
        SWEEP,
        CANCEL,
        as_json(json.loads(cancel_message(JOB_ID))),
        fields(CancelMessage),
        EVENTS,
        as_json(example_event().model_dump(mode="json")),
        "### Attributes",
        table(["Attribute", "Holds"], attributes()),
        "### Which there are",
        table(["Event", "Tells"], [[f"`{it}`", EVENT_MEANS[it]] for it in EventKind]),
        "[The life of a job](lifecycle.md) says which may follow which.",
        DATA,
        fields(EventData, is_written=False),
        *sections(EventData, is_written=False),
        "#### `reason`",
        table(["Word", "Means"], [[f"`{it}`", REASONS[it]] for it in FailureReason]),
        REJECTED,
    ]
    return "\n\n".join(parts) + "\n"


def attributes() -> Iterator[list[str]]:
    """A row for each attribute of the envelope. Raises KeyError for one without an explanation."""
    for name in CloudEvent.model_fields:
        yield [f"`{name}`", ATTRIBUTES[name]]


def sections(model: type[BaseModel], *, is_written: bool = True) -> Iterator[str]:
    """A chapter for each object within."""
    for name, section in sections_in(model):
        yield f"#### `{name}`"
        yield " ".join((section.__doc__ or "").split())
        yield fields(section, is_written=is_written)


def fields(model: type[BaseModel], *, is_written: bool = True) -> str:
    """A row for each field; of events, which nobody else writes, not `is_written`."""
    return field_table(
        model,
        section="an object",
        sections="a list of objects",
        is_written=is_written,
        names=NAMES,
    )


def example_event() -> CloudEvent:
    """An event as it goes out."""
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    job = Job(
        job_id=JOB_ID,
        accepted_at=at,
        phase=Phase.FAILED,
        sequence=5,
        slurm_id=SlurmId("4711"),
        submitted_at=at.replace(second=1),
        started_at=at.replace(second=4),
        ended_at=at.replace(minute=7),
        nodes="n1",
        exit_code=7,
    )
    event = Event(
        kind=EventKind.FAILED,
        at=at.replace(minute=7, second=2),
        job=job,
        reason=FailureReason.EXIT_CODE,
        detail="the container ended with exit code 7",
    )
    return decode(encode(event, SITE).body)


def as_json(content: object) -> str:
    """A block of JSON."""
    return f"```json\n{json.dumps(content, indent=2)}\n```"


if __name__ == "__main__":
    sys.exit(main())
