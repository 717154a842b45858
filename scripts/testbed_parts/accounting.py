"""Accounts, QOS and users in Slurm's accounting: what the site should have, put there once."""

from collections.abc import Sequence

from .console import SetupFailed
from .layout import ALICE, BOB
from .part import ask
from .slurm import SlurmDbd
from .slurm_config import CLUSTER

ACCOUNTS = ("science", "imaging")
QOS = ("regular", "debug", "preempt")

_ALL_QOS = ",".join(QOS)
# sacctmgr(1). Each line is harmless when what it adds is there already.
_STATEMENTS: tuple[str, ...] = (
    f"add cluster {CLUSTER}",
    "add qos preempt,regular,debug",
    "modify qos preempt set priority=0 preemptmode=requeue",
    "modify qos regular set priority=100 preempt=preempt",
    # DenyOnLimit: a job over the time limit is refused at once, as sites do, not left pending.
    "modify qos debug set priority=200 preempt=preempt maxwall=00:30:00 maxsubmitjobsperuser=5",
    "modify qos debug set flags=DenyOnLimit",
    *(
        f"add account {account} cluster={CLUSTER} organization=testbed description={account}"
        for account in ACCOUNTS
    ),
    *(
        f"add user {user} cluster={CLUSTER} account={account} defaultaccount=science"
        f" qos={_ALL_QOS} defaultqos=regular"
        for user in (ALICE, BOB)
        for account in ACCOUNTS
    ),
)

_SHOWN = (
    ("qos", "name,preempt,maxwall,maxsubmitpu,flags"),
    ("assoc", "cluster,account,user,defaultqos,qos"),
)
_EXPECTED: tuple[str, ...] = (
    "preempt||||",
    "regular|preempt|||",
    "debug|preempt|00:30:00|5|DenyOnLimit",
    *(
        f"{CLUSTER}|{account}|{user}|regular|{','.join(sorted(QOS))}"
        for user in (ALICE, BOB)
        for account in ACCOUNTS
    ),
)


def settle(slurmdbd: SlurmDbd) -> None:
    """Put into the accounting what is missing there.

    Raises SetupFailed with sacctmgr's own words when it still lacks something afterwards.
    """
    if not _missing(slurmdbd):
        return
    said: list[str] = []
    for statement in _STATEMENTS:
        _, answer = _sacctmgr(slurmdbd, ["--immediate", *statement.split(" ")])
        said += answer.splitlines()
    missing = _missing(slurmdbd)
    if missing:
        raise SetupFailed(
            f"the accounting lacks {', '.join(missing)}",
            hint="look at the log with `testbed logs slurmdbd`",
            log_lines=said[-12:],
        )


def _missing(slurmdbd: SlurmDbd) -> Sequence[str]:
    there = set()
    for what, columns in _SHOWN:
        _, answer = _sacctmgr(slurmdbd, ["show", what, f"format={columns}"])
        there |= set(answer.split())
    return [row for row in _EXPECTED if row not in there]


def _sacctmgr(slurmdbd: SlurmDbd, arguments: Sequence[str]) -> tuple[bool, str]:
    argv = ["sacctmgr", "--noheader", "--parsable2", *arguments]
    return ask(argv, env=slurmdbd.environment, seconds=30)
