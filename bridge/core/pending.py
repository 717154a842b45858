"""Why a job waits, in plain words."""

from collections.abc import Mapping
from types import MappingProxyType

IN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "Priority": "other jobs come first",
        "Resources": "it is next, and waits for nodes to become free",
        "Dependency": "it waits for another job",
        "DependencyNeverSatisfied": "the job it waits for will never end as it should",
        "BeginTime": "it may not start before a set time, such as the pause after a requeue",
        "Licenses": "it waits for a licence",
        "Reservation": "it waits for its reservation to begin",
        "ReservationDeleted": "its reservation was deleted",
        "JobHeldUser": "its owner holds it, until it is released",
        "JobHeldAdmin": "an administrator holds it, until it is released",
        "JobHoldMaxRequeue": "it was requeued too often and is held, until it is released",
        "launch failed requeued held": "it could not be launched and is held, until it is released",
        "PartitionDown": "its partition is down",
        "PartitionInactive": "its partition takes no jobs for now",
        "PartitionNodeLimit": "it wants more nodes than its partition gives to one job",
        "PartitionTimeLimit": "it wants more time than its partition gives",
        "PartitionConfig": "its partition cannot give what it wants",
        "NodeDown": "a node that it needs is down",
        "ReqNodeNotAvail": "a node that it needs is not available, perhaps for maintenance",
        "BadConstraints": "no node has what it wants",
        "InvalidAccount": "its account is not valid",
        "InvalidQOS": "its QOS is not valid",
        "AccountNotAllowed": "its account may not use this partition",
        "QOSNotAllowed": "its QOS may not be used here",
        "MaxMemPerLimit": "it wants more memory than one job may have",
        "JobArrayTaskLimit": "as many tasks of its array run as may run at once",
        "ReqPriorityFirst": "a job that comes first waits for the same nodes",
        "FrontEndDown": "no front end node can start it",
        "Cleaning": "the traces of its last run are being removed",
        "Prolog": "its node is being prepared",
        "BurstBufferResources": "it waits for room in the burst buffer",
        "BurstBufferStageIn": "its files are being copied in",
        "NodesInPowerTransition": "its nodes are being switched on",
        "QOSMaxJobsPerUserLimit": "as many of your jobs run in this QOS as may run at once",
        "QOSMaxCpuPerUserLimit": "your jobs have all the CPUs that this QOS gives to one user",
        "QOSMaxGRESPerUser": "your jobs have all the GPUs that this QOS gives to one user",
        "QOSMaxWallDurationPerJobLimit": "it wants more time than its QOS gives",
        "QOSGrpCpuLimit": "this QOS has all the CPUs that it may have",
        "QOSGrpNodeLimit": "this QOS has all the nodes that it may have",
        "QOSGrpGRES": "this QOS has all the GPUs that it may have",
        "QOSUsageThreshold": "its account has used too much to run in this QOS",
        "AssocMaxJobsLimit": "as many jobs of its account run as may run at once",
        "AssocGrpCpuLimit": "its account has all the CPUs that it may have",
        "AssocGrpNodeLimit": "its account has all the nodes that it may have",
        "AssocGrpBillingMinutes": "its account has used up its allocation",
        "AssocGrpCPUMinutesLimit": "its account has used up its allocation",
    }
)
"""Source: squeue(1), JOB REASON CODES, and slurm-24-11's resource_limits page."""


def in_words(reason: str | None) -> str | None:
    """Plain words and Slurm's own word behind them; None where Slurm gives no reason.

    Slurm may add to its word, as in `ReqNodeNotAvail, Reserved for maintenance`; a word that is
    not known is told as it is.
    """
    if reason is None:
        return None
    word = reason.partition(",")[0].strip()
    known = IN_WORDS.get(word) or IN_WORDS.get(word.replace("_", " "))
    return f"{known} ({reason})" if known else reason
