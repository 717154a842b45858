"""What each runtime can be told, one entry a runtime: mounts, variables, images."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from bridge.core.job import Mount
from bridge.core.site import Runtime
from bridge.script.words import (
    bind,
    charliecloud_bind,
    directive,
    no_mount,
    program_word,
    volume,
)

_NEVER_MOUNTED_OVER = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """The limits of one runtime's command line."""

    mount: Callable[[Mount], str]
    """A mount in the runtime's words; ValueError for one that it cannot be told."""
    image: Callable[[str], str] = program_word
    """The same for an image."""
    taken: re.Pattern[str] | None = None
    """Variables that the runtime sets itself, adds to or takes away."""
    mounts_files: bool = False
    """Whether a single file can be mounted, at a place that the image need not have."""
    variable_prefix: str = "BRIDGE_SECRET_"
    """What the script puts before the name of a variable that holds a secret."""
    reveals: bool = True
    """Whether the job's command is to be told of these by their own names, by a shell inside."""
    hidden: tuple[str, ...] = _NEVER_MOUNTED_OVER
    """Folders of the container where nothing can be mounted."""
    shown: tuple[str, ...] = ()
    """Folders below `hidden` where something can be."""
    hidden_itself: tuple[str, ...] = ("/",)
    """Folders that cannot be mounted over, whose own folders can."""

    def hides(self, target: str) -> bool:
        """Whether nothing can be mounted at this path of the container."""
        path = PurePosixPath(target)
        if str(path) in self.hidden_itself:
            return True
        if any(path.is_relative_to(it) for it in self.shown):
            return False
        return any(path.is_relative_to(it) for it in self.hidden)


_APPTAINER = Manners(
    mount=bind,
    mounts_files=True,
    variable_prefix="APPTAINERENV_",
    reveals=False,
    taken=re.compile(
        r"(APPTAINER|SINGULARITY)_.*|HOME|LD_LIBRARY_PATH|PROMPT_COMMAND|(PRE|AP)PEND_PATH"
        r"|E?UID|GID"
    ),
    # Apptainer 1.4.5 sets these itself, adds to them or, with (E)UID and GID, does not start
    # (tried).
)
_SHIFTER = Manners(
    mount=volume,
    image=directive,
    taken=re.compile(r"LD_.*|TMPDIR|SHIFTER.*"),
    # Shifter takes LD_* and TMPDIR away and reads its own from the environment (shifter(1)); the
    # folders are those of its manual, "Volume Mounts".
    hidden=(*_NEVER_MOUNTED_OVER, "/etc", "/var", "/opt/udiImage"),
    shown=("/var/tmp",),  # noqa: S108
    hidden_itself=("/", "/opt"),
)
_CHARLIECLOUD = Manners(
    mount=charliecloud_bind,
    taken=re.compile(r"CH_RUNNING"),
    # Its /tmp is a new one, with nothing in it to mount at (ch-run(1), --private-tmp).
    hidden=(*_NEVER_MOUNTED_OVER, "/tmp"),  # noqa: S108
)
_WITHOUT_CONTAINER = Manners(mount=no_mount, hidden=(), hidden_itself=())

MANNERS: Mapping[Runtime, Manners] = {
    Runtime.APPTAINER: _APPTAINER,
    Runtime.SINGULARITY: replace(_APPTAINER, variable_prefix="SINGULARITYENV_"),
    Runtime.SHIFTER: _SHIFTER,
    Runtime.PODMAN_HPC: Manners(mount=bind, mounts_files=True),
    Runtime.CHARLIECLOUD: _CHARLIECLOUD,
    Runtime.COMMAND: _WITHOUT_CONTAINER,
    Runtime.CONDA: _WITHOUT_CONTAINER,
}


def mounts_files(runtime: Runtime) -> bool:
    """Whether the runtime can show a single file at a place that the image need not have."""
    return MANNERS[runtime].mounts_files
