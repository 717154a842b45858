"""Replies: those who wait for one are told a job's end, with what it has written."""

from collections.abc import Sequence

import structlog

from bridge.core.errors import InvalidRequestError, UnavailableError
from bridge.core.job import JobId
from bridge.core.lifecycle import Event
from bridge.core.site import Site, job_folder
from bridge.ports import FileRange, JobFile, JobFiles, LifecycleJournal
from bridge.wire.event import Message
from bridge.wire.reply import encode_reply
from bridge.wire.request import read_job

log = structlog.get_logger()

MOST_LOG_BYTES = 32 * 1024
"""Of each stream: what a reply holds of a job's output, from its end."""


class Replies:
    """Makes the reply to a job's terminal event."""

    def __init__(self, *, site: Site, journal: LifecycleJournal, files: JobFiles) -> None:
        self._site = site
        self._journal = journal
        self._files = files

    def reply(self, event: Event) -> Message | None:
        """What tells the end of the event's job; None where nobody waits for that.

        Raises UnavailableError when the journal cannot be read.
        """
        if not self._site.reply_queues:
            return None
        job_id = event.job.job_id
        try:
            spec = read_job(self._journal.request(job_id), site=self._site.name)
        except InvalidRequestError as error:
            log.warning("not_replied", job=job_id, words=str(error))
            return None
        if spec.reply_to is None:
            return None
        has_run = event.job.started_at is not None
        logs = self._output(job_id) if has_run else ""
        return encode_reply(event, spec.reply_to, site=self._site.name, logs=logs)

    def _output(self, job_id: JobId) -> str:
        files = [JobFile(job_id=job_id, name=it) for it in ("stdout", "stderr")]
        try:
            found = self._ends_of(files)
        except UnavailableError as error:
            folder = job_folder(self._site, job_id)
            return f"(its output is in {folder}, which cannot be read now: {error})"
        return "\n".join(it.rstrip("\n") for it in found if it)

    def _ends_of(self, files: Sequence[JobFile]) -> list[str]:
        ranges = [
            FileRange(file=file, start=max(0, size - MOST_LOG_BYTES), length=MOST_LOG_BYTES)
            for file, size in zip(files, self._files.sizes(files), strict=True)
            if size
        ]
        pieces = self._files.read(ranges)
        return [it.data.decode(errors="replace") for it in pieces if it is not None]
