"""The list of artifacts that a job's script writes at its end; its container can write it, too."""

import re

from bridge.core.artifacts import ArtifactFile, ArtifactList
from bridge.core.job_file import parts_of

LONGEST_LISTING = 128 * 1024
"""Bytes."""
MOST_LISTED = 200
"""Files; templates/base.sbatch.j2 lists no more."""

_FILE = re.compile(rb"([0-9]{1,18}) ([0-9a-f]{64}|-) (.+)", re.DOTALL)
_TOTAL = re.compile(rb"total ([0-9]{1,9})")


def listing_name(attempt: int, restart: int) -> str:
    """What the list of a run is called in the job's folder."""
    return f"attempt-{attempt}.{restart}.artifacts"


def read_listing(data: bytes) -> ArtifactList | None:
    """The files in a list; None when it is none.

    A record is `<size> <SHA-256, or -> <path below artifacts/>` and a NUL, the last one is
    `total <count>`. A path that is no UTF-8 counts, and is not told.
    """
    *records, last, rest = (b"", *data.split(b"\0"))[-(MOST_LISTED + 2) :]
    total = _TOTAL.fullmatch(last)
    if total is None or rest:
        return None
    files = []
    for record in filter(None, records):
        told = _FILE.fullmatch(record)
        if told is None:
            return None
        name = told[3].decode(errors="surrogateescape")
        if parts_of(name) is not None:
            digest = told[2].decode()
            files.append(
                ArtifactFile(name=name, size=int(told[1]), sha256=None if digest == "-" else digest)
            )
    return ArtifactList(files=tuple(files), total=max(int(total[1]), len(files)))
