"""Answers that need the jobs' files: ranges of what jobs have written, and following them."""

import base64
from collections.abc import Iterator, Sequence
from datetime import timedelta

import structlog

from bridge.core.errors import UnavailableError
from bridge.core.job import JobId
from bridge.core.job_file import parts_of
from bridge.core.site import Site, job_folder
from bridge.flows.progress import PROGRESS_FILE
from bridge.flows.tail import MOST_FOLLOWED, Tail
from bridge.ports import Clock, FileRange, JobFile, JobFiles, Piece, QueryJournal
from bridge.wire.answer import Answer, Fault, FaultData, FollowData, RangeData
from bridge.wire.question import (
    LARGEST_ARTIFACT,
    LONGEST_RANGE,
    ArtifactQuestion,
    FollowQuestion,
    LogsQuestion,
    Stream,
)

log = structlog.get_logger()

_FILES = {Stream.STDOUT: "stdout", Stream.STDERR: "stderr", Stream.PROGRESS: PROGRESS_FILE}

RangeQuestion = LogsQuestion | ArtifactQuestion


class FileAnswers:
    """Reads what is asked for; what the file system does not give is said in words."""

    def __init__(
        self, *, site: Site, files: JobFiles, journal: QueryJournal, tail: Tail, clock: Clock
    ) -> None:
        self._site = site
        self._files = files
        self._journal = journal
        self._tail = tail
        self._clock = clock

    def ranges(self, questions: Sequence[RangeQuestion]) -> Iterator[Answer]:
        """The answers, in the order of the questions; all files are read together."""
        try:
            pieces = self._files.read([_range_of(it) for it in questions])
            known = {it.job_id for it in self._journal.jobs(map(_job_of, questions))}
        except UnavailableError as error:
            log.warning("files_not_read", questions=len(questions), words=str(error))
            yield from (self.fault(Fault.UNAVAILABLE, str(error)) for _ in questions)
            return
        for question, piece in zip(questions, pieces, strict=True):
            yield self._range(question, piece, is_known=_job_of(question) in known)

    def follow(self, question: FollowQuestion) -> Answer:
        """From where on the job's output is told now.

        Only of a job that is on record: nobody can take up the room of others with ids of none.
        """
        job_id, lease = _job_of(question), timedelta(seconds=question.seconds)
        try:
            if not self._journal.jobs([job_id]):
                words = f"nothing is known of a job {job_id} at {self._site.name}"
                return self.fault(Fault.UNKNOWN, words)
            told = self._tail.follow(job_id, lease)
        except UnavailableError as error:
            return self.fault(Fault.UNAVAILABLE, str(error))
        if told is None:
            words = f"{MOST_FOLLOWED} jobs are followed at {self._site.name}, no more at once"
            return self.fault(Fault.BUSY, words)
        stdout, stderr = told
        until = self._clock.now() + lease
        follow = FollowData(stdout=stdout, stderr=stderr, until=until)
        return Answer(site=self._site.name, follow=follow)

    def fault(self, reason: Fault, words: str) -> Answer:
        """Why there is no answer."""
        return Answer(site=self._site.name, fault=FaultData(reason=reason, words=words))

    def _range(self, question: RangeQuestion, piece: Piece | None, *, is_known: bool) -> Answer:
        if isinstance(question, ArtifactQuestion):
            if parts_of(question.name) is None:
                what = f"{question.name!r} is no path below artifacts/, such as plots/loss.png"
                return self.fault(Fault.INVALID, what)
            if piece is not None and piece.size > LARGEST_ARTIFACT:
                return self.fault(Fault.TOO_LARGE, self._too_large(question, piece.size))
        elif piece is None and is_known:
            # It has not begun to write.
            piece = Piece(data=b"", size=0)
        if piece is None:
            return self.fault(Fault.UNKNOWN, self._unknown(question, is_known=is_known))
        data = base64.b64encode(piece.data).decode()
        found = RangeData(start=question.start, size=piece.size, data=data)
        return Answer(site=self._site.name, range=found)

    def _too_large(self, question: ArtifactQuestion, size: int) -> str:
        path = f"{job_folder(self._site, _job_of(question))}/{_name_of(question)}"
        return (
            f"{question.name!r} has {size} bytes, at most {LARGEST_ARTIFACT} are handed out: "
            f"fetch {path} at {self._site.name}"
        )

    def _unknown(self, question: RangeQuestion, *, is_known: bool) -> str:
        if isinstance(question, ArtifactQuestion) and is_known:
            return f"the job has no file {question.name!r} in its artifacts/"
        return f"nothing is known of a job {question.job_id} at {self._site.name}"


def _range_of(question: RangeQuestion) -> FileRange:
    return FileRange(
        file=JobFile(job_id=_job_of(question), name=_name_of(question)),
        start=question.start,
        length=min(question.length, LONGEST_RANGE),
    )


def _name_of(question: RangeQuestion) -> str:
    if isinstance(question, ArtifactQuestion):
        # An empty name is of no file, and so leads nowhere.
        return f"artifacts/{question.name}" if parts_of(question.name) else ""
    return _FILES[question.stream]


def _job_of(question: RangeQuestion | FollowQuestion) -> JobId:
    return JobId(str(question.job_id))
