"""The flows put together over the shipped fakes: a bridge whose world is moved by hand."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count

from unit.builders import site

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.job import JobId, JobSpec, SlurmId, submission_tag
from bridge.core.lifecycle import Job
from bridge.core.mlexchange import MlexchangeRules
from bridge.core.retry import RetryPolicy
from bridge.core.site import Site
from bridge.flows.cancel import Cancellation
from bridge.flows.intake import Intake
from bridge.flows.messages import MlexchangeMessages
from bridge.flows.record import Recorder
from bridge.flows.release import Release
from bridge.flows.reply import Replies
from bridge.flows.submit import Prepared, Submission
from bridge.flows.sweep import Sweep
from bridge.flows.watch import Watch
from bridge.ports import Delivery, Settlement
from bridge.testing.clock import FakeClock
from bridge.testing.cluster import FakeCluster
from bridge.testing.files import FakeFiles
from bridge.testing.folders import FakeFolders
from bridge.testing.memory_journal import MemoryJournal
from bridge.testing.slurm import FakeSlurm
from bridge.wire.control import cancel_message
from bridge.wire.event import Message
from bridge.wire.mlexchange import Setting
from bridge.wire.sweep import task_requests

SETTLE_TIME = timedelta(seconds=20)
GRACE = timedelta(minutes=5)
UNKNOWN_GRACE = timedelta(minutes=3)
UNRENDERABLE = "/images/unrenderable.sif"
BUG = "/images/trips_over_a_bug.sif"


def job_id(number: int) -> JobId:
    return JobId(f"00000000-0000-4000-8000-{number:012}")


def message(number: int = 1, **changes: object) -> bytes:
    asked = {
        "version": 1,
        "job_id": job_id(number),
        "name": "digits",
        "image": "/images/sklearn.sif",
        "command": ["python3", "train.py"],
    }
    return json.dumps(asked | changes).encode()


def examine(spec: JobSpec) -> list[Problem]:
    is_bad = spec.image == UNRENDERABLE
    return [Problem(where="mounts.0", what="a colon cannot be written")] if is_bad else []


class House:
    """Everything but the broker."""

    def __init__(
        self, journal: type[MemoryJournal] = MemoryJournal, *, at: Site | None = None
    ) -> None:
        self.clock = FakeClock()
        self.journal = journal(self.clock)
        self.cluster = FakeCluster(self.clock)
        self.slurm = FakeSlurm(self.cluster)
        self.folders = FakeFolders(self.clock)
        self.news = 0
        self.site = at or site()
        self.files = FakeFiles()
        self.to_hang = 0
        """How many of the next submissions take long."""
        self._hanging: list[Callable[[], None]] = []
        self._tags = count(1)
        self.retry = RetryPolicy()
        self.over: list[Job] = []
        self.recorder = Recorder(
            site=self.site,
            journal=self.journal,
            absence_grace=GRACE,
            retry_policy=lambda _: self.retry,
            on_over=self.over.append,
            reply=Replies(site=self.site, journal=self.journal, files=self.files).reply,
        )
        self.recorder.notify(self._count_news)
        self.recorder.notify_of_tasks(self._cancel_tasks)
        self.cancellation = self._new_cancellation()
        self.intake = Intake(
            site=self.site,
            journal=self.journal,
            clock=self.clock,
            examine=examine,
            on_arrival=self._announce,
        )
        self.sweep = Sweep(
            site=self.site,
            scheduler=self.slurm,
            folders=self.folders,
            journal=self.journal,
            recorder=self.recorder,
            clock=self.clock,
        )
        self.watch = self._new_watch()
        self.submission = self._new_submission()
        self.release = self._new_release()

    def _new_cancellation(self) -> Cancellation:
        return Cancellation(
            site=self.site,
            scheduler=self.slurm,
            cancels=self.journal,
            jobs=self.journal,
            notices=self.journal,
            recorder=self.recorder,
            clock=self.clock,
        )

    def _cancel_tasks(self, tasks: Sequence[JobId]) -> None:
        self.cancellation.cancel_arrivals(tasks)

    def _announce(self, arrived: Sequence[Job]) -> None:
        self.cancellation.cancel_arrivals([it.job_id for it in arrived])
        self.release.arrived(arrived)

    def _new_release(self) -> Release:
        return Release(
            dependencies=self.journal,
            jobs=self.journal,
            folders=self.folders,
            recorder=self.recorder,
            clock=self.clock,
            unknown_grace=UNKNOWN_GRACE,
        )

    def _new_watch(self) -> Watch:
        return Watch(
            scheduler=self.slurm,
            folders=self.folders,
            journal=self.journal,
            recorder=self.recorder,
            clock=self.clock,
        )

    def _new_submission(self, lacks_image: Callable[[Job], bool] | None = None) -> Submission:
        return Submission(
            site=self.site,
            scheduler=self.slurm,
            folders=self.folders,
            journal=self.journal,
            recorder=self.recorder,
            clock=self.clock,
            prepare=self._prepare,
            settle_time=SETTLE_TIME,
            spawn=self._submit_beside,
            patience=timedelta(0),
            lacks_image=lacks_image,
        )

    def _submit_beside(self, submission: Callable[[], None]) -> None:
        if self.to_hang:
            self.to_hang -= 1
            self._hanging.append(submission)
        else:
            submission()

    @property
    def hangs(self) -> bool:
        """Whether a submission has not come to its end."""
        return bool(self._hanging)

    def go_on(self) -> None:
        """The submissions that take long come to their ends."""
        while self._hanging:
            self._hanging.pop(0)()

    def lenient_intake(self) -> Intake:
        """One that accepts what no script can be written for."""
        return Intake(site=self.site, journal=self.journal, clock=self.clock, examine=lambda _: ())

    def restart(self) -> None:
        """What a daemon that was killed leaves to the next one: the journal, and nothing else."""
        self.cancellation = self._new_cancellation()
        self.submission = self._new_submission()
        self.watch = self._new_watch()
        self.release = self._new_release()

    def delivery(self, body: bytes) -> Delivery:
        return Delivery(
            body=body,
            message_id=None,
            redelivered=False,
            connection=1,
            delivery_tag=next(self._tags),
        )

    def cancel(self, *numbers: int) -> tuple[Settlement, ...]:
        """The control messages that cancel these jobs."""
        bodies = [cancel_message(job_id(it)) for it in numbers]
        return self.cancellation.receive([self.delivery(it) for it in bodies])

    def receive(self, *bodies: bytes) -> tuple[Settlement, ...]:
        return self.intake.receive([self.delivery(it) for it in bodies])

    def front_end_intake(self, rules: MlexchangeRules) -> Intake:
        """What takes the messages of MLExchange front ends."""
        setting = Setting(
            site=self.site.name,
            runtime=self.site.containers.runtime,
            mounts_files=True,
            partitions=(),
            rules=rules,
        )
        return Intake(
            site=self.site,
            journal=self.journal,
            clock=self.clock,
            examine=examine,
            on_arrival=self._announce,
            messages=MlexchangeMessages(self.site, setting),
        )

    def run_job(self, slurm_id: SlurmId, *, exit_code: int = 0) -> None:
        """A job that Slurm has starts and ends, and both are seen."""
        self.cluster.start(slurm_id)
        self.watch.look()
        self.cluster.end(slurm_id, exit_code=exit_code)
        self.watch.look()

    def job(self, number: int = 1) -> Job:
        (found,) = self.journal.jobs([job_id(number)])
        return found

    def queued_job(self, number: int = 1) -> SlurmId:
        """A job that Slurm has."""
        self.receive(message(number))
        self.submission.submit_waiting()
        found = self.job(number).slurm_id
        assert found is not None
        return found

    def told(self, number: int = 1) -> list[str]:
        """The events of a job, as the words that go out."""
        entries = self.journal.unsent(1000)
        return [
            it.message.routing_key.removeprefix("testbed.")
            for it in entries
            if it.message.event_id.startswith(f"{job_id(number)}/")
        ]

    def rejections(self) -> list[dict[str, object]]:
        """The data of every `rejected` event."""
        return [it for it in self._told_data() if it["event"] == "rejected"]

    def accepted_ids(self) -> list[JobId]:
        """The jobs of every `accepted` event."""
        accepted = [it for it in self._told_data() if it["event"] == "accepted"]
        return [JobId(str(it["job_id"])) for it in accepted]

    def replies(self) -> list[Message]:
        """What those get who wait for more than an event."""
        messages = [it.message for it in self.journal.unsent(1000)]
        return [it for it in messages if it.reply_to is not None]

    def last_event(self, number: int = 1) -> dict[str, object]:
        return [it for it in self._told_data() if it["job_id"] == job_id(number)][-1]

    def _told_data(self) -> list[dict[str, object]]:
        messages = [it.message for it in self.journal.unsent(1000)]
        return [json.loads(it.body)["data"] for it in messages if it.reply_to is None]

    def _prepare(self, job: Job, request: bytes) -> Prepared:
        asked = json.loads(request)
        if asked["image"] == UNRENDERABLE:
            raise InvalidRequestError(Problem(where="image", what="no script can be written"))
        if asked["image"] == BUG:
            raise RuntimeError("no such thing was thought of")
        tag = submission_tag("bridge", job.job_id, job.attempt)
        array = f"#SBATCH --array=0-{job.tasks - 1}\n" if job.tasks else ""
        script = f"#!/bin/bash\n#SBATCH --job-name={tag}\n{array}true\n"
        bodies = task_requests(request) if job.tasks else ()
        tasks = {JobId(json.loads(it)["job_id"]): {"job.json": it.decode()} for it in bodies}
        return Prepared(script=script, files={"job.json": request.decode()}, tasks=tasks)

    def _count_news(self) -> None:
        self.news += 1
