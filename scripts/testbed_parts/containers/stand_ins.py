"""Gives a site the commands `podman-hpc` and `conda`, which Debian does not have.

Both are stand-ins for tests, and say so.
"""

import shutil
from pathlib import Path

from .images import DEFAULT_CACHE
from .podman_hpc_stand_in import Store

_HERE = Path(__file__).parent
_PODMAN_HPC = "podman_hpc_stand_in"
_PULLED = {"testbed/busybox:1": "busybox.sif", "testbed/sklearn:1": "sklearn.sif"}
_NOT_PULLED = {"testbed/busybox:2": "busybox.sif", "testbed/busybox:3": "busybox.sif"}
_COMMAND = """\
#!/usr/bin/python3 -BEs
# A STAND-IN for tests, not podman-hpc. See {module}.py in {folder}.
import sys
from pathlib import Path

sys.path.insert(0, {folder!r})
from {module} import Store, main

sys.exit(main(Store.read(Path({store!r})), sys.argv[1:]))
"""


def install(bin_dir: Path, lib_dir: Path, state: Path) -> None:
    """Install both for one site: commands into `bin_dir`, what was pulled into `state`.

    Needs `build_images` into the default cache before.
    """
    shutil.copyfile(_HERE / f"{_PODMAN_HPC}.py", lib_dir / f"{_PODMAN_HPC}.py")
    pulled = state / "podman-hpc-pulled"
    pulled.mkdir(exist_ok=True)
    pulled.chmod(0o1777)  # as /tmp: each user pulls
    images = {it: str(DEFAULT_CACHE / file) for it, file in (_PULLED | _NOT_PULLED).items()}
    store = Store(registry=images, pulled=pulled)
    for name in _PULLED:
        store.pull(name)
    written = lib_dir / "podman-hpc-store.json"
    store.write(written)
    text = _COMMAND.format(module=_PODMAN_HPC, folder=str(lib_dir), store=str(written))
    _install_command(bin_dir / "podman-hpc", text)
    _install_command(bin_dir / "conda", (_HERE / "conda_stand_in.sh").read_text())


def _install_command(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(path)
