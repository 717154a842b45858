"""Apptainer on a Debian that does not have it: taken from sid, kept aside with sid's libraries."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from testbed_parts.console import SetupFailed

from . import debian_archive, long_command

HOME = Path("/usr/local/lib/hpc-bridge-testbed/apptainer")
_COMMANDS = Path("/usr/local/bin")
_PACKAGES = ("apptainer", "libc6", "libseccomp2", "libsqlite3-0")


def install(progress: Callable[[str], None]) -> None:
    """Put Apptainer into a folder of its own and link its commands into /usr/local/bin.

    The machine's apt configuration, its libraries and its package database stay as they are.
    Raises SetupFailed when sid's package cannot be had or does not run.
    """
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME.parent, prefix=".new-") as folder:
        scratch = Path(folder)
        unpacked = _fetch_from_sid(scratch, progress)
        progress("setting up Apptainer beside the machine's own libraries")
        new = _assemble(scratch, unpacked)
        shutil.rmtree(HOME, ignore_errors=True)
        new.rename(HOME)
    for name in ("apptainer", "singularity"):
        link = _COMMANDS / name
        link.unlink(missing_ok=True)
        link.symlink_to(HOME / "bin" / "apptainer")
    version = long_command.run(
        [str(_COMMANDS / "apptainer"), "--version"], progress, doing="trying Apptainer"
    )
    progress(f"{version.strip()} is in {HOME}")


def _fetch_from_sid(scratch: Path, progress: Callable[[str], None]) -> Path:
    """Download and unpack the packages with an apt that knows nothing but sid."""
    settings = _private_apt(scratch, debian_archive.sid(progress))
    for verb, doing in (
        (["update"], "reading sid's package list"),
        (["download", *_PACKAGES], "downloading Apptainer"),
    ):
        long_command.run(
            ["apt-get", "-q", *verb],
            progress,
            doing=doing,
            env=settings,
            cwd=scratch,
            hint="Apptainer comes from Debian sid: the machine's mirror must serve that suite too",
        )
    unpacked = scratch / "unpacked"
    for package in scratch.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
    return unpacked


def _private_apt(scratch: Path, source: debian_archive.Source) -> Mapping[str, str]:
    """An environment in which apt has its own sources, lists, cache and no installed packages.

    Proxies and credentials of the machine's apt configuration stay in force: they are read from
    apt.conf.d before APT_CONFIG's file is (apt.conf(5)).
    """
    for name in ("lists/partial", "cache/archives/partial", "empty"):
        (scratch / name).mkdir(parents=True)
    (scratch / "sid.list").write_text(source.line() + "\n")
    (scratch / "status").touch()
    settings = {
        "Dir::Etc::SourceList": scratch / "sid.list",
        "Dir::Etc::SourceParts": scratch / "empty",
        "Dir::Etc::Preferences": scratch / "no-preferences",
        "Dir::Etc::PreferencesParts": scratch / "empty",
        "Dir::State::Lists": scratch / "lists",
        "Dir::State::Status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    configuration = scratch / "apt.conf"
    configuration.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    return {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C.UTF-8"}


def _assemble(scratch: Path, unpacked: Path) -> Path:
    """Lay the files out as Apptainer looks for them below a prefix that is not /usr."""
    usr = unpacked / "usr"
    [starter] = usr.glob("lib/*/apptainer/bin/starter")
    libraries = starter.parents[2]
    new = scratch / "apptainer"
    (new / "bin").mkdir(parents=True)
    new.chmod(0o755)
    shutil.move(usr / "bin" / "apptainer", new / "bin" / "apptainer")
    shutil.move(unpacked / "etc", new / "etc")
    shutil.move(unpacked / "var", new / "var")
    kept = new / "lib" / libraries.name
    kept.mkdir(parents=True)
    shutil.move(libraries / "apptainer", kept / "apptainer")
    # The starter takes <prefix>/lib for its prefix when it looks for its configuration.
    (new / "lib" / "etc").symlink_to("../etc")
    (new / "lib" / "var").symlink_to("../var")
    (new / "sid").mkdir()
    for library in libraries.glob("*.so*"):
        shutil.move(library, new / "sid" / library.name)
    _use_own_libraries(new / "bin" / "apptainer", new / "sid")
    _use_own_libraries(kept / "apptainer" / "bin" / "starter", new / "sid")
    _forbid_setuid(new / "etc" / "apptainer" / "apptainer.conf")
    return new


def _use_own_libraries(program: Path, libraries: Path) -> None:
    """Make ``program`` start with sid's loader and libraries: the machine's libc is too old."""
    [loader] = libraries.glob("ld-linux*.so.*")
    final = HOME / "sid"
    interpreter = ("--set-interpreter", str(final / loader.name))
    search_path = ("--force-rpath", "--set-rpath", str(final))
    subprocess.run(["patchelf", *interpreter, *search_path, program], check=True)


def _forbid_setuid(configuration: Path) -> None:
    text = configuration.read_text()
    changed = text.replace("\nallow setuid = yes\n", "\nallow setuid = no\n")
    if changed == text:
        raise SetupFailed(f"Apptainer's {configuration.name} has no line `allow setuid = yes`")
    configuration.write_text(changed)
