"""What Slurm's error texts mean for a submission: ONE table.

The texts are those of slurm_strerror(3) and of sbatch itself, the same from 22.05 to 26.05.
"""

import re
from enum import StrEnum
from typing import assert_never

from bridge.core.errors import (
    BridgeError,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)

MOST_WORDS = 2000
# Characters of Slurm's words that are handed on: enough for every real error, and bounded.


class Verdict(StrEnum):
    """What is known of a job after a submission that failed."""

    UNCERTAIN = "the controller may have the job: look it up"
    SITE_FULL = "not submitted: the site takes no more jobs of ours for now"
    AUTHENTICATION = "not submitted: Slurm does not accept who we are; a person must look"
    REFUSED = "not submitted, for good"
    UNAVAILABLE = "not submitted: try again later"


# The first row found in stderr decides. Doubt comes first, since a job that is taken for absent
# would run twice. The submit limits come before the policy violation that they are printed with.
TABLE: tuple[tuple[str, Verdict], ...] = (
    ("(send failure)", Verdict.UNCERTAIN),
    ("(receive failure)", Verdict.UNCERTAIN),
    ("(shutdown failure)", Verdict.UNCERTAIN),
    ("Communication shutdown failure", Verdict.UNCERTAIN),
    ("Socket timed out on send/recv operation", Verdict.UNCERTAIN),
    ("Zero Bytes were transmitted or received", Verdict.UNCERTAIN),
    ("Unexpected missing socket error", Verdict.UNCERTAIN),
    ("Message send failure", Verdict.UNCERTAIN),
    ("Message receive failure", Verdict.UNCERTAIN),
    ("Connection timed out", Verdict.UNCERTAIN),
    ("QOSMaxSubmitJobPerUserLimit", Verdict.SITE_FULL),
    ("QOSMaxSubmitJobPerAccountLimit", Verdict.SITE_FULL),
    ("QOSGrpSubmitJobsLimit", Verdict.SITE_FULL),
    ("AssocMaxSubmitJobLimit", Verdict.SITE_FULL),
    ("AssocGrpSubmitJobsLimit", Verdict.SITE_FULL),
    ("Protocol authentication error", Verdict.AUTHENTICATION),
    ("Invalid user id", Verdict.AUTHENTICATION),
    ("Authentication credential expired", Verdict.AUTHENTICATION),
    ("Invalid authentication credential", Verdict.AUTHENTICATION),
    ("Munge encode failed", Verdict.AUTHENTICATION),
    ("Invalid account or account/partition combination", Verdict.REFUSED),
    ("Invalid partition name", Verdict.REFUSED),
    ("Invalid qos specification", Verdict.REFUSED),
    ("Invalid feature specification", Verdict.REFUSED),
    ("Invalid node name specified", Verdict.REFUSED),
    ("Invalid generic resource (gres) specification", Verdict.REFUSED),
    ("Invalid Trackable RESource (TRES) specification", Verdict.REFUSED),
    ("Invalid license specification", Verdict.REFUSED),
    ("Invalid wckey specification", Verdict.REFUSED),
    ("Invalid job array specification", Verdict.REFUSED),
    ("Access/permission denied", Verdict.REFUSED),
    ("User's group not permitted to use this partition", Verdict.REFUSED),
    ("No partition specified or system default partition", Verdict.REFUSED),
    ("Requested nodes not in this partition", Verdict.REFUSED),
    ("Requested node configuration is not available", Verdict.REFUSED),
    ("Requested time limit is invalid", Verdict.REFUSED),
    ("Requested reservation is invalid", Verdict.REFUSED),
    ("Access denied to requested reservation", Verdict.REFUSED),
    ("More processors requested than permitted", Verdict.REFUSED),
    ("Requested more tasks than available processors", Verdict.REFUSED),
    ("Node count specification invalid", Verdict.REFUSED),
    ("CPU count specification invalid", Verdict.REFUSED),
    ("Task count specification invalid", Verdict.REFUSED),
    ("Memory required by task is not available", Verdict.REFUSED),
    ("Job size specification needs to be provided", Verdict.REFUSED),
    ("Job dependency problem", Verdict.REFUSED),
    ("Job violates accounting/QOS policy", Verdict.REFUSED),
    ("or other parameter too long", Verdict.REFUSED),
    ("does not look like a batch script", Verdict.REFUSED),
    ("Batch script is empty", Verdict.REFUSED),
    ("DOS line breaks", Verdict.REFUSED),
    ("NULL character", Verdict.REFUSED),
    ("Unable to open file", Verdict.REFUSED),
    ("Unable to contact slurm controller (connect failure)", Verdict.UNAVAILABLE),
    ("Communication connection failure", Verdict.UNAVAILABLE),
    ("in standby", Verdict.UNAVAILABLE),
    ("Rate limit exceeded", Verdict.UNAVAILABLE),
    ("Resource temporarily unavailable", Verdict.UNAVAILABLE),
    ("MaxJobCount limit reached", Verdict.UNAVAILABLE),
    ("Slurm job queue full", Verdict.UNAVAILABLE),
    ("Unable to create job record, try again", Verdict.UNAVAILABLE),
    ("Job creation temporarily disabled", Verdict.UNAVAILABLE),
    ("System submissions disabled", Verdict.UNAVAILABLE),
    ("I/O error writing script", Verdict.UNAVAILABLE),
    ("Required partition not available", Verdict.UNAVAILABLE),
    ("Required node not available", Verdict.UNAVAILABLE),
    ("Unable to process configuration file", Verdict.UNAVAILABLE),
    ("Could not establish a configuration source", Verdict.UNAVAILABLE),
    ("Incompatible versions of client and server code", Verdict.UNAVAILABLE),
)

ACCOUNTING_IS_OFF = "Slurm accounting storage is disabled"
UNKNOWN_USER = "Invalid user"
# squeue --me answers nothing, with return code 0, while the system's user database is away.

_PREFIX = re.compile(r"^[\w.-]+: (?:error|fatal): (?:Batch job submission failed: )?", re.MULTILINE)


def verdict(stderr: str) -> Verdict | None:
    """What the text says of the job; None when none of it is known."""
    return next((it for words, it in TABLE if words in stderr), None)


def failed_submission(text: str, words: str) -> BridgeError:
    """The error that stands for a submission of which Slurm says `text`; it tells `words`.

    Without a word of Slurm's that says otherwise, the job may exist.
    """
    known = verdict(text)
    match known:
        case Verdict.UNAVAILABLE | Verdict.AUTHENTICATION:
            return UnavailableError(words)
        case Verdict.SITE_FULL:
            return SiteFullError(words)
        case Verdict.REFUSED:
            return SubmissionRefusedError(words)
        case Verdict.UNCERTAIN | None:
            return SubmissionUncertainError(words, is_understood=known is not None)
    assert_never(known)


def said(stderr: str) -> str:
    """Slurm's own words for a person, without the programs' names, on one line."""
    lines = _PREFIX.sub("", stderr).splitlines()
    return "; ".join(line.strip() for line in lines if line.strip())[:MOST_WORDS]
