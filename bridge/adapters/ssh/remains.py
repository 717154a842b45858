"""What the jobs' folders still tell when the journal is lost, where the login node sees them."""

import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from bridge.adapters.ssh import sftp_packets as packets
from bridge.adapters.ssh.connection import SshConnection
from bridge.adapters.ssh.reading import SshFiles
from bridge.adapters.ssh.session import sftp_session
from bridge.adapters.ssh.sftp import FOLDER_MODE, Sftp, check_is_folder, entries, write_files
from bridge.adapters.ssh.sftp_packets import Entry, Kind
from bridge.core.facts import ScriptMark
from bridge.core.job import JobId
from bridge.core.restore import JobRemains
from bridge.ports import Clock, FileRange, JobFile
from bridge.wire.mark import mark_text
from bridge.wire.remains import (
    LeftBehind,
    bytes_to_read,
    is_claim,
    is_job_folder,
    is_of_the_bridge,
    mark_name,
    read_remains,
)

MOST_FOLDERS = 1_000_000
MOST_FILES = 10_000
"""Of one job's folder, which its container may fill."""


class SshRemains:
    """The folders below `work_root`. Jobs write there too, so nothing in them is trusted.

    Each folder costs a far site some ten round trips.
    """

    def __init__(self, connection: SshConnection, work_root: str, clock: Clock) -> None:
        self._connection = connection
        self._root = PurePosixPath(work_root)
        self._files = SshFiles(connection, work_root)
        self._clock = clock

    def find(self) -> Iterator[JobRemains | tuple[JobId, str]]:
        """What is left of every job that has a folder, by id, or why that cannot be read.

        Raises UnavailableError when the work root cannot be read, or the connection breaks.
        """
        with sftp_session(self._connection, self._root) as sftp:
            names = [it.name for it in entries(sftp, str(self._root), most=MOST_FOLDERS)]
        for name in sorted(filter(is_job_folder, names)):
            job_id = JobId(name)
            try:
                left = self._left_behind(job_id)
                if isinstance(left, str):
                    yield job_id, left
                else:
                    yield read_remains(job_id, left, at=self._clock.now())
            except ValueError as error:
                yield job_id, str(error)

    def tell_again(self, job_id: JobId, attempt: int, marks: Iterable[ScriptMark]) -> None:
        """Put markers into the spool once more. Raises UnavailableError."""
        spool = self._root / "spool"
        texts = {mark_name(job_id, attempt, it): mark_text(it).encode() for it in marks}
        with sftp_session(self._connection, spool) as sftp:
            _, looked = sftp.ask(
                [
                    packets.make_folder(str(spool), mode=FOLDER_MODE),
                    packets.about(Kind.LSTAT, str(spool)),
                ]
            )
            check_is_folder(looked)
            write_files(sftp, spool, texts)

    def _left_behind(self, job_id: JobId) -> LeftBehind | str:
        """What lies in the folder; words, where that cannot be listed."""
        folder = self._root / job_id
        with sftp_session(self._connection, folder) as sftp:
            try:
                lying = sorted(entries(sftp, str(folder), most=MOST_FILES), key=_by_name)
            except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
                return str(error)
            targets = dict(_targets(sftp, folder, [it for it in lying if is_claim(it.name)]))
        return LeftBehind(
            written_at={
                it.name: datetime.fromtimestamp(it.modified, UTC)
                for it in lying
                if is_of_the_bridge(it.name)
            },
            contents=dict(self._contents(job_id, lying)),
            targets=targets,
        )

    def _contents(
        self, job_id: JobId, lying: Iterable[Entry]
    ) -> Iterator[tuple[str, bytes | None]]:
        asked = [
            FileRange(file=JobFile(job_id=job_id, name=it.name), start=0, length=length)
            for it in lying
            if (length := bytes_to_read(it.name)) is not None
        ]
        for wanted, piece in zip(asked, self._files.read(asked), strict=True):
            is_whole = piece is not None and piece.size <= wanted.length
            yield wanted.file.name, piece.data if piece is not None and is_whole else None


def _targets(
    sftp: Sftp, folder: PurePosixPath, claims: Sequence[Entry]
) -> Iterator[tuple[str, str]]:
    links = [it for it in claims if stat.S_ISLNK(it.mode)]
    replies = sftp.ask(packets.about(Kind.READLINK, f"{folder}/{it.name}") for it in links)
    for link, reply in zip(links, replies, strict=True):
        target = reply.entries()
        if target:
            yield link.name, target[0].name


def _by_name(entry: Entry) -> str:
    return entry.name
