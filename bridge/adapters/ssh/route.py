"""The way to a login node: our settings, and what ssh_config(5) says."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from pwd import getpwuid
from typing import Any

from paramiko import SSHConfig
from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

from bridge.core.errors import ConfigurationError, Problem
from bridge.core.settings import SshSettings

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
ALIVE_EVERY = timedelta(seconds=15)
ALIVE_COUNT = 3
SSH_PORT = 22
MOST_JUMPS = 8

_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^@:\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One SSH server on the way, and who we are there."""

    host: str
    port: int
    user: str
    known_as: str
    """Its name in the known_hosts files."""
    known_hosts: tuple[Path, ...]
    key_files: tuple[Path, ...]
    certificate_files: tuple[Path, ...]
    """Beside those that lie next to a key as `<key>-cert.pub`."""
    use_agent: bool
    alive_every: timedelta
    alive_count: int
    """How many times it may stay silent before it counts as gone."""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


def route_to(settings: SshSettings, *, home: Path, user: str) -> tuple[Hop, ...]:
    """The servers on the way, the login node last.

    `home` and `user` are those of the person that the bridge runs as. Raises ConfigurationError.
    """
    return _Reader(settings, home, user, _read_config(settings, home)).route()


def our_route(settings: SshSettings) -> tuple[Hop, ...]:
    """The same for the person that this process runs as. Raises ConfigurationError."""
    account = getpwuid(os.getuid())
    return route_to(settings, home=Path(account.pw_dir), user=account.pw_name)


def _read_config(settings: SshSettings, home: Path) -> SSHConfig:
    path = Path(settings.ssh_config) if settings.ssh_config else home / ".ssh" / "config"
    if settings.ssh_config is None and not path.exists():
        return SSHConfig()
    try:
        return SSHConfig.from_text(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ConfigParseError) as error:
        raise _problem("ssh_config", f"{path}: {error}") from error


def _problem(field: str, what: str) -> ConfigurationError:
    return ConfigurationError(Problem(where=f"scheduler.access.{field}", what=what))


class _Reader:
    def __init__(self, settings: SshSettings, home: Path, user: str, config: SSHConfig) -> None:
        self._settings = settings
        self._home = home
        self._user = user
        self._config = config

    def route(self) -> tuple[Hop, ...]:
        settings = self._settings
        said = self._look_up(settings.host)
        jumps = settings.jump or tuple(_jumps(said.get("proxyjump", "none")))
        last = self._hop(settings.host, port=settings.port, user=settings.user, is_last=True)
        return (*self._way(jumps), last)

    def _way(self, jumps: tuple[str, ...], depth: int = 0) -> Iterator[Hop]:
        """Each host is reached from the one before it; the first as ssh_config(5) says of it."""
        if depth > MOST_JUMPS:
            raise _problem("jump", "the ProxyJump of ssh_config goes round in a circle")
        for index, text in enumerate(jumps):
            read = _JUMP.fullmatch(text)
            if read is None:
                raise _problem("jump", f"[user@]host[:port] is wanted (found {text!r})")
            name = read["host"].strip("[]")
            if index == 0:
                further = tuple(_jumps(self._look_up(name).get("proxyjump", "none")))
                yield from self._way(further, depth + 1)
            port = None if read["port"] is None else int(read["port"])
            yield self._hop(name, port=port, user=read["user"], is_last=False)

    def _hop(self, name: str, *, port: int | None, user: str | None, is_last: bool) -> Hop:
        said, settings = self._look_up(name), self._settings
        host = said.get("hostname", name)
        port = port or _number(said, "port", SSH_PORT)
        alias = said.get("hostkeyalias")
        every = _number(said, "serveraliveinterval", 0)
        return Hop(
            host=host,
            port=port,
            user=user or said.get("user") or (not is_last and settings.user) or self._user,
            known_as=alias or (host if port == SSH_PORT else f"[{host}]:{port}"),
            known_hosts=self._known_hosts(said),
            key_files=self._keys(said, is_last=is_last),
            certificate_files=tuple(map(self._path, said.get("certificatefile", "").split())),
            use_agent=said.get("identitiesonly", "no") != "yes",
            alive_every=timedelta(seconds=every) if every > 0 else ALIVE_EVERY,
            alive_count=max(_number(said, "serveralivecountmax", ALIVE_COUNT), 1),
        )

    def _keys(self, said: dict[str, Any], *, is_last: bool) -> tuple[Path, ...]:
        """Our own setting is about the login node, and about others where nothing else is said."""
        named = said.get("identityfile", ())
        ours = self._settings.key_file
        if ours is not None and (is_last or not named):
            return (Path(ours),)
        usual = (f"~/.ssh/{it}" for it in DEFAULT_KEYS)
        return tuple(map(self._path, named or usual))

    def _known_hosts(self, said: dict[str, Any]) -> tuple[Path, ...]:
        if self._settings.known_hosts_file is not None:
            return (Path(self._settings.known_hosts_file),)
        named = said.get("userknownhostsfile", "~/.ssh/known_hosts").split()
        return (*map(self._path, named), SYSTEM_KNOWN_HOSTS)

    def _path(self, text: str) -> Path:
        return self._home / text[2:] if text.startswith("~/") else Path(text)

    def _look_up(self, name: str) -> dict[str, Any]:
        try:
            said = dict(self._config.lookup(name))
        except (ConfigParseError, CouldNotCanonicalize, ImportError, ValueError) as error:
            raise _problem("ssh_config", f"what it says of {name}: {error}") from error
        if "include" in said:
            raise _problem("ssh_config", "Include is not followed: name the file itself here")
        if said.get("proxycommand") and not said.get("proxyjump"):
            raise _problem("ssh_config", f"ProxyCommand for {name} is not run: use ProxyJump")
        return said


def _number(said: dict[str, Any], name: str, otherwise: int) -> int:
    text = str(said.get(name, otherwise))
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII):
        raise _problem("ssh_config", f"{name}: a number is wanted (found {text!r})")
    return int(text)


def _jumps(text: str) -> Iterator[str]:
    return (it.strip() for it in text.split(",") if text.lower() != "none")
