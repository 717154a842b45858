"""The text of Slurm's configuration files: pure functions of the layout and Slurm's version."""

import re
from dataclasses import dataclass
from pathlib import Path

from .layout import Layout, Options

CLUSTER = "testbed"
NODE_CPUS = 8
NODE_MEMORY_MB = 16_000
GPU_NODE = "n2"
GPUS = 2
GPU_TYPE = "pretended"

Version = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the texts are made from."""

    layout: Layout
    version: Version
    plugstack: str
    own_hostname: bool
    """Whether the daemons can be given the host name ``localhost``."""


def parse_version(text: str) -> Version | None:
    """The version in ``slurmctld -V`` output, such as ``slurm-wlm 22.05.8``."""
    found = re.search(r"(\d+)\.(\d+)\.\d+", text)
    return (int(found[1]), int(found[2])) if found else None


def can_limit_rates(version: Version) -> bool:
    """Whether slurmctld has per-user rate limits (rl_enable came with Slurm 23.02)."""
    return version >= (23, 2)


def slurm_conf(site: Site) -> str:
    """slurm.conf(5): one controller and the nodes, all on this machine's loopback."""
    layout, options = site.layout, site.layout.options
    home = layout.root / "slurm"
    settings: list[tuple[str, object]] = [
        ("ClusterName", CLUSTER),
        ("SlurmctldHost", "localhost(127.0.0.1)"),
        ("SlurmctldPort", layout.ports["slurmctld"]),
        ("SlurmUser", "slurm"),
        ("AuthType", "auth/munge"),
        ("CredType", "cred/munge"),
        # A requeued job waits until its old credential has expired: 10 s here, by default 120.
        ("AuthInfo", f"socket={layout.munge_socket},cred_expire=10"),
        ("StateSaveLocation", state_folder(layout)),
        ("SlurmdSpoolDir", home / "spool" / "%n"),
        ("SlurmctldPidFile", home / "run" / "slurmctld.pid"),
        ("SlurmdPidFile", home / "run" / "%n.pid"),
        ("SlurmdLogFile", layout.root / "log" / "%n.log"),
        ("SlurmctldDebug", "info"),
        ("SlurmdDebug", "info"),
        ("PlugStackConfig", layout.slurm_conf.with_name("plugstack.conf")),
        ("MailProg", "/bin/true"),
        # One machine plays several bigger ones.
        ("SlurmdParameters", "config_overrides"),
        ("ProctrackType", "proctrack/linuxproc"),
        ("TaskPlugin", "task/none"),
        ("MpiDefault", "none"),
        ("PropagateResourceLimits", "NONE"),
        ("SelectType", "select/cons_tres"),
        ("SelectTypeParameters", "CR_CPU_Memory"),
        ("DefMemPerCPU", 500),
        ("GresTypes", "gpu"),
        ("EnforcePartLimits", "ALL"),
        ("ReturnToService", 2),
        ("JobAcctGatherType", "jobacct_gather/linux"),
        ("JobAcctGatherFrequency", "task=3"),
        # Quick, so that tests need not wait.
        ("SchedulerType", "sched/backfill"),
        ("SchedulerParameters", "batch_sched_delay=0,sched_interval=2,bf_interval=2"),
        ("MessageTimeout", 10),
        ("SlurmctldTimeout", 10),
        ("SlurmdTimeout", 10),
        # A job whose processes are gone is missed this much (and MessageTimeout) after its start.
        ("BatchStartTimeout", 3),
        ("InactiveLimit", 0),
        ("KillWait", 5),
        ("CompleteWait", 0),
        ("MinJobAge", options.min_job_age),
        # Room for the benchmarks, ten thousand jobs and those that ended a moment ago.
        ("MaxJobCount", 50_000),
        ("MaxArraySize", 10_001),
    ]
    if site.own_hostname:
        # Bind to the host name's address alone, which is localhost's.
        settings.append(("CommunicationParameters", "NoCtldInAddrAny,NoInAddrAny"))
    settings += _accounting(site) if options.accounting else _no_accounting()
    if options.rate_limit:
        # A tight bucket, so that a handful of requests at once empties it; by default 30 and 2/s.
        settings.append(("SlurmctldParameters", "rl_enable,rl_bucket_size=4,rl_refill_rate=5"))
    lines = [f"{name}={value}" for name, value in settings]
    return "\n".join([*lines, *_nodes(layout), *_partitions(options), ""])


def _accounting(site: Site) -> list[tuple[str, object]]:
    return [
        ("AccountingStorageType", "accounting_storage/slurmdbd"),
        ("AccountingStorageHost", "127.0.0.1"),
        ("AccountingStoragePort", site.layout.ports["slurmdbd"]),
        # For slurmdbd this "password" is the munge socket to sign with; AuthInfo is not asked.
        ("AccountingStoragePass", site.layout.munge_socket),
        ("AccountingStorageEnforce", "associations,limits,qos"),
        ("AccountingStorageTRES", "gres/gpu"),
        ("AccountingStoreFlags", "job_comment"),
        ("PriorityType", "priority/multifactor"),
        ("PriorityWeightQOS", 1000),
        ("PreemptType", "preempt/qos"),
        ("PreemptMode", "REQUEUE"),
    ]


def _no_accounting() -> list[tuple[str, object]]:
    return [
        ("AccountingStorageType", "accounting_storage/none"),
        ("PriorityType", "priority/basic"),
    ]


def _nodes(layout: Layout) -> list[str]:
    lines = []
    for name in layout.node_names:
        gres = f" Gres=gpu:{GPU_TYPE}:{GPUS}" if name == GPU_NODE else ""
        lines.append(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={layout.ports[name]}"
            f" CPUs={NODE_CPUS} RealMemory={NODE_MEMORY_MB} State=UNKNOWN{gres}"
        )
    return lines


def _partitions(options: Options) -> list[str]:
    shared = "DefaultTime=10 State=UP"
    return [
        f"PartitionName=cpu Nodes=n[1-{options.nodes}] Default=YES MaxTime=48:00:00 {shared}",
        f"PartitionName=gpu Nodes={GPU_NODE} MaxTime=24:00:00 {shared}",
    ]


def state_folder(layout: Layout) -> Path:
    """The controller's memory: one with accounting and one without.

    A controller that has run without accounting has made up a cluster id, and refuses to work with
    a slurmdbd that gave out another one ("CLUSTER ID MISMATCH", Slurm 24.11).
    """
    name = "state" if layout.options.accounting else "state-without-accounting"
    return layout.root / "slurm" / name


def gres_conf(site: Site) -> str:
    """gres.conf(5): two pretended GPUs, links to /dev/null in place of devices."""
    device = fake_gpu_pattern(site.layout)
    return (
        "AutoDetect=off\n"
        f"NodeName={GPU_NODE} Name=gpu Type={GPU_TYPE} File={device}[0-{GPUS - 1}]"
        " Flags=nvidia_gpu_env\n"
    )


def fake_gpu_pattern(layout: Layout) -> str:
    """Where the pretended GPU devices lie, without their number."""
    return str(layout.root / "slurm" / "devices" / "gpu")


def cgroup_conf(site: Site) -> str | None:
    """cgroup.conf(5): no control groups; None where the version neither needs nor knows that."""
    return "CgroupPlugin=disabled\n" if site.version >= (23, 11) else None


def slurmdbd_conf(
    layout: Layout, *, own_hostname: bool, database: str, user: str, password: str
) -> str:
    """slurmdbd.conf(5); holds the database password, so only the slurm user may read it."""
    home = layout.root / "slurm"
    settings: tuple[tuple[str, object], ...] = (
        ("AuthType", "auth/munge"),
        ("AuthInfo", f"socket={layout.munge_socket}"),
        *((("CommunicationParameters", "NoInAddrAny"),) if own_hostname else ()),
        ("DbdHost", "localhost"),
        ("DbdAddr", "127.0.0.1"),
        ("DbdPort", layout.ports["slurmdbd"]),
        ("SlurmUser", "slurm"),
        ("DebugLevel", "info"),
        ("PidFile", home / "run" / "slurmdbd.pid"),
        ("MessageTimeout", 10),
        ("StorageType", "accounting_storage/mysql"),
        ("StorageHost", "localhost"),
        ("StorageLoc", database),
        ("StorageUser", user),
        ("StoragePass", password),
    )
    return "".join(f"{name}={value}\n" for name, value in settings)
