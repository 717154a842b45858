"""Leavings: what a job has written by the end of a run, told before that end or with it."""

from collections.abc import Mapping, Sequence

import structlog

from bridge.core.artifacts import ArtifactList
from bridge.core.errors import UnavailableError
from bridge.core.job import JobId
from bridge.core.lifecycle import Job
from bridge.flows.progress import Progress
from bridge.ports import FileRange, JobFile, JobFiles
from bridge.wire.listing import LONGEST_LISTING, listing_name, read_listing

log = structlog.get_logger()


class Leavings:
    """Looks into the folders of jobs whose run has ended.

    What cannot be read is not known, and holds no event back.
    """

    def __init__(self, *, files: JobFiles, progress: Progress) -> None:
        self._files = files
        self._progress = progress

    def collect(self, ended: Sequence[Job]) -> Mapping[JobId, ArtifactList]:
        """What these jobs have left, as far as it is known; their last progress is told before.

        Each as it was when its run ended.
        """
        try:
            self._progress.finish([it.job_id for it in ended])
        except UnavailableError as error:
            log.warning("progress_not_all_told", jobs=len(ended), words=str(error))
        try:
            pieces = self._files.read([_listing_of(it) for it in ended])
        except UnavailableError as error:
            log.warning("artifacts_not_known", jobs=len(ended), words=str(error))
            return {}
        lists = {
            job.job_id: read_listing(piece.data)
            for job, piece in zip(ended, pieces, strict=True)
            if piece is not None
        }
        return {job_id: found for job_id, found in lists.items() if found is not None}


def _listing_of(job: Job) -> FileRange:
    return FileRange(
        file=JobFile(job_id=job.job_id, name=listing_name(job.attempt, job.restart)),
        start=0,
        length=LONGEST_LISTING,
    )
