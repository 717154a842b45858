"""Sites and jobs of which tests make scripts."""

import tempfile
from dataclasses import replace
from datetime import timedelta

from bridge.core.job import (
    ArgumentList,
    Checkpoint,
    JobId,
    JobKind,
    JobSpec,
    Mount,
    Parameters,
    Resources,
    ShellLine,
)
from bridge.core.settings import SiteSettings
from bridge.core.site import GPU_FLAGS, WITHOUT_CONTAINER, PullPolicy, Runtime, Secret
from bridge.shipped import shipped
from bridge.sites import load_site

JOB_ID = JobId("6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b")

CHARACTERS = "'\"\\$`\n\r\t ;&|()<>*?~!#%{}[]=,:-\x00\x01\x7fé漢\U0001f600\u2028\ufeff"
EVIL = (
    *CHARACTERS,
    *("--", "-rf", "\x1b[31m", "${PATH}", "$'\\n'", "\\\n", "%j", "EOF"),
    *("$(touch CANARY)", "`touch CANARY`", ";touch CANARY;", "\ntouch CANARY\n"),
    *("'\ntouch CANARY\n'", '"$(touch CANARY)"', "\n#SBATCH --wrap=evil\n"),
    *("{{ job }}", "{% raw %}", "{#"),
)
"""Pieces of text that some program or other on the way takes apart; one of them is a NUL."""

VARIABLES = {
    "SCRATCH": "/pscratch/sd/a/alice",
    "BRIDGE_AMQP_HOST": "rabbitmq.example.org",
    "BRIDGE_AMQP_USER": "bridge",
    "BRIDGE_NERSC_ACCOUNT": "m1234",
    "BRIDGE_STATE": "/state",
    "BRIDGE_WORK_ROOT": "/scratch/bridge",
    "BRIDGE_IMAGES": "/images",
    "BRIDGE_DATA": "/data",
    "VSC_DATA": "/data/antwerpen/201/vsc20101",
    "VSC_SCRATCH": "/scratch/antwerpen/201/vsc20101",
    "USER": "vsc20101",
    "BRIDGE_CALCUA_ACCOUNT": "ap_digits",
    "BRIDGE_TESTBED_AMQP_HOST": "127.0.0.1",
    "BRIDGE_TESTBED_AMQP_PORT": "20123",
    "BRIDGE_TESTBED_AMQP_VHOST": "bridge",
    "BRIDGE_TESTBED_AMQP_USER": "bridge",
    "BRIDGE_TESTBED_SSH_PORT": "20022",
    "BRIDGE_TESTBED_USER": "ada",
    "BRIDGE_TESTBED_SSH_KEY": "/testbed/secrets/ssh-key",
    "BRIDGE_TESTBED_SSH_KNOWN_HOSTS": "/testbed/sshd/known_hosts",
    "BRIDGE_TESTBED_SLURM_CONF": "/testbed/slurm.conf",
    "BRIDGE_TESTBED_PATH": "/testbed/bin:/usr/bin:/bin",
    "BRIDGE_TESTBED_WORK_ROOT": "/testbed/work",
    "BRIDGE_TESTBED_IMAGES": "/testbed/images",
}
"""What the shipped site files ask of the environment, but for the files with passwords."""

PASSWORD_FILES = ("BRIDGE_AMQP_PASSWORD_FILE", "BRIDGE_TESTBED_AMQP_PASSWORD_FILE")


def shipped_site(name: str) -> SiteSettings:
    """A shipped site file with VARIABLES; its password is `s3cret`."""
    with tempfile.NamedTemporaryFile("w") as password:
        password.write("s3cret\n")
        password.flush()
        names = VARIABLES | dict.fromkeys(PASSWORD_FILES, password.name)
        return load_site(shipped("site_configs") / f"{name}.yaml", names)


TESTBEDS = {
    Runtime.APPTAINER: "testbed",
    Runtime.SHIFTER: "testbed-shifter",
    Runtime.CHARLIECLOUD: "testbed-charliecloud",
    Runtime.PODMAN_HPC: "testbed-podman-hpc",
}
"""The runtimes for which there is a site file."""


def with_runtime(settings: SiteSettings, runtime: Runtime) -> SiteSettings:
    """The site as it would be with another runtime, GPU flag included."""
    flag = next(iter(GPU_FLAGS.get(runtime, ())), None)
    containers = replace(settings.site.containers, runtime=runtime, gpu_flag=flag)
    if runtime in WITHOUT_CONTAINER:
        containers = replace(containers, bind_roots=(), images=("none", "/testbed/envs/*"))
    site = replace(settings.site, name=f"testbed-{runtime}", containers=containers)
    return replace(settings, site=site)


def site_with(runtime: Runtime) -> SiteSettings:
    """The testbed with another runtime: as it is shipped, or as it would be."""
    name = TESTBEDS.get(runtime)
    return shipped_site(name) if name else with_runtime(shipped_site("testbed"), runtime)


def with_pull(
    settings: SiteSettings, folder: str, *images: str, pull: PullPolicy = PullPolicy.IN_JOB
) -> SiteSettings:
    """The site where jobs, or the bridge, fetch these images into a folder."""
    containers = replace(settings.site.containers, images=images, pull=pull, pull_folder=folder)
    return replace(settings, site=replace(settings.site, containers=containers))


def with_secret(settings: SiteSettings) -> SiteSettings:
    """The site with a secret for jobs."""
    secrets = (Secret(reference="tiled", file="/testbed/vault/tiled"),)
    return replace(settings, site=replace(settings.site, secrets=secrets))


def training(image: str, mounted: str) -> JobSpec:
    """GPUs, parameters, a mount, and text that bash would take apart."""
    return JobSpec(
        job_id=JOB_ID,
        name="digits, 25 epochs (first)",
        kind=JobKind.TRAINING,
        image=image,
        command=ArgumentList(arguments=("python3", "/data/train.py", "--note", "it's $5\nor `6`")),
        parameters=Parameters(text="epochs: 25\n", as_argument=True),
        environment=(("OMP_NUM_THREADS", "4"), ("GREETING", 'say "hi" to $USER')),
        mounts=(Mount(source=mounted, target="/data", read_only=True),),
        resources=Resources(
            cpus_per_task=4, gpus=1, memory_mib=8192, walltime=timedelta(hours=2, minutes=30)
        ),
        checkpoint=Checkpoint(signal="USR1", seconds_before=120),
    )


def fit_for(runtime: Runtime, spec: JobSpec) -> JobSpec:
    """The job without what the runtime cannot do with mounts."""
    if runtime in WITHOUT_CONTAINER:
        return replace(spec, mounts=())
    if runtime is Runtime.CHARLIECLOUD:
        return replace(spec, mounts=tuple(replace(it, read_only=False) for it in spec.mounts))
    return spec


def deployment(image: str) -> JobSpec:
    """One shell line and nothing else."""
    return JobSpec(
        job_id=JOB_ID,
        name="classify",
        kind=JobKind.DEPLOYMENT,
        image=image,
        command=ShellLine(text="cd /data && python3 classify.py | tee $BRIDGE_ARTIFACTS/answer"),
    )


def several_nodes(image: str) -> JobSpec:
    """Two nodes with eight tasks in all."""
    return JobSpec(
        job_id=JOB_ID,
        name="sum",
        kind=JobKind.OTHER,
        image=image,
        command=ArgumentList(arguments=("/opt/sum",)),
        resources=Resources(nodes=2, tasks=8),
    )
