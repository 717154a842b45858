"""Where this machine gets Debian from, so that nothing here names a mirror of its own."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed_parts.console import SetupFailed

from . import long_command
from .debian_packages import NETWORK_HINT

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_FIELDS = "$(REPO_URI)\t$(CODENAME)\t$(COMPONENT)\t$(ORIGIN)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Debian suite as the machine's apt knows it."""

    uri: str
    suite: str

    def line(self) -> str:
        """The suite as a line of sources.list(5), checked against Debian's own keyring."""
        return f"deb [signed-by={KEYRING}] {self.uri} {self.suite} main"


def release() -> str:
    """The codename of the machine's Debian, from os-release(5)."""
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise SetupFailed("/etc/os-release names no VERSION_CODENAME: Debian 12 or 13 is needed")


def machine_sources(progress: Callable[[str], None]) -> list[Source]:
    """The suites of the machine's own release, the main one first.

    apt itself reads its sources (apt-get(8), indextargets), in either format. Raises SetupFailed
    when the release's main suite is not among them.
    """
    codename = release()
    found = _debian_sources()
    if not any(source.suite == codename for source in found):
        long_command.run(
            ["apt-get", "-q", "update"],
            progress,
            doing="reading the machine's package lists",
            hint=NETWORK_HINT,
        )
        found = _debian_sources()
    if not any(source.suite == codename for source in found):
        raise SetupFailed(
            f"the machine's apt sources have no Debian suite {codename}",
            hint="add the release's main suite to /etc/apt and run `apt-get update`",
        )
    own = [
        source
        for source in found
        if source.suite in {codename, f"{codename}-updates", f"{codename}-security"}
    ]
    return sorted(own, key=lambda source: (source.suite != codename, source.suite))


def sid(progress: Callable[[str], None]) -> Source:
    """Debian's unstable suite on the mirror that serves the machine's own release."""
    return Source(uri=machine_sources(progress)[0].uri, suite="sid")


def _debian_sources() -> list[Source]:
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", _FIELDS, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sources: dict[Source, None] = {}
    for line in listed.splitlines():
        uri, suite, component, origin = line.split("\t")
        if origin == "Debian" and component == "main":
            sources[Source(uri=uri, suite=suite)] = None
    return list(sources)
