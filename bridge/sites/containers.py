"""The section of a site's file about what runs the containers, and which ones."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from bridge.core.site import PullPolicy, Runtime
from bridge.sites.fields import (
    AbsolutePath,
    Duration,
    Line,
    ModuleName,
    PlainPath,
    Switch,
)
from bridge.sites.section import Section

GpuFlag = Literal["--nv", "--rocm", "--gpu"]


class BindRootSection(Section):
    """A folder of the site below which jobs may mount."""

    path: AbsolutePath = Field(description="the folder, on the site's nodes")
    read_only: Switch = Field(
        default=True, description="whether jobs may mount it for reading only"
    )


class ContainersSection(Section):
    """What runs the containers, which ones, and what they may see of the site."""

    runtime: Annotated[Runtime, Field(strict=False)] = Field(
        description="what starts the jobs' commands on the nodes; `command` and `conda` do so "
        "without a container"
    )
    images: list[Line] = Field(
        min_length=1,
        description="patterns as in fnmatch(3), `*` for `/` too; an image must match one of them. "
        "With `conda` they are environments; with `command` any word, such as `none`",
    )
    bind_roots: list[BindRootSection] = Field(
        default_factory=list,
        description="the folders below which jobs may mount; a job always sees its own folder",
    )
    gpu_flag: GpuFlag | None = Field(
        default=None,
        description="given to the runtime when a job asks for GPUs: for Apptainer and Singularity "
        "--nv with NVIDIA, --rocm with AMD; --gpu for podman-hpc",
    )
    modules: list[ModuleName] = Field(
        default_factory=list, description="Shifter's modules, such as gpu or mpich"
    )
    launcher: list[Line] = Field(
        default_factory=list,
        description="words before the container command, such as [srun]; jobs of several tasks or "
        "nodes get srun anyway",
    )
    options: list[Line] = Field(
        default_factory=list, description="further options of the runtime, one word each"
    )
    visible: list[PlainPath] = Field(
        default_factory=list,
        description="folders that every container here sees anyway at the same path, so that they "
        "are not mounted again: Shifter's siteFs, or `bind path` of apptainer.conf. Charliecloud "
        "mounts what stands here, and the image needs the place for it",
    )
    cache: PlainPath | None = Field(
        default=None,
        description="where Apptainer or Singularity keeps what it has fetched, as seen by the "
        "nodes; made when missing",
    )
    scratch: PlainPath | None = Field(
        default=None,
        description="where Apptainer or Singularity unpacks images, such as a folder of the "
        "nodes' own disks; made when missing",
    )
    pull: Annotated[PullPolicy, Field(strict=False)] = Field(
        default=PullPolicy.NEVER,
        description="who fetches an image that is not there: the bridge, `before` it submits the "
        "job, with Apptainer, Singularity (images such as docker://name:tag), podman-hpc and "
        "Shifter; or, but for Shifter, the job's script (`in-job`)",
    )
    pull_folder: PlainPath | None = Field(
        default=None,
        description="where fetched images and their locks are; all nodes see it, and flock(2) "
        "works in it. Needed to fetch into files, and for `pull: in-job`",
    )
    pull_timeout: Duration = Field(
        default=timedelta(minutes=30), description="how long an image may take with `pull: before`"
    )
