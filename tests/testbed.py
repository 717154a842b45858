"""The real site that `scripts/testbed` brings up, as tests see it."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

CHECKOUT = Path(__file__).resolve().parents[1]
MARK = "BRIDGE_TESTBED_DIR"
PART_ACTION_SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """RabbitMQ of the testbed: on loopback, with a virtual host of its own."""

    host: str
    port: int
    user: str
    vhost: str
    password_file: Path
    url: str
    """amqp://..., password included."""
    management_url: str
    management_user: str
    management_password_file: Path

    @property
    def password(self) -> str:
        """The password of `user`."""
        return self.password_file.read_text(encoding="utf-8").strip()

    @property
    def management_password(self) -> str:
        """The password of `management_user`."""
        return self.management_password_file.read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginNode:
    """The sshd of the testbed, on loopback."""

    port: int
    key: Path
    known_hosts: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """Everything a test may use of the site, and the switches of its parts."""

    __test__: ClassVar[bool] = False  # not a test case, whatever its name begins with

    folder: Path
    slurm_conf: Path
    user: str
    """The ordinary user that jobs run as."""
    second_user: str
    work_root: Path
    bin: Path
    path: str
    """PATH with the testbed's own programs first."""
    images: Path
    broker: Broker
    login_node: LoginNode

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Testbed":
        """The testbed that `scripts/testbed env` names. KeyError: a name is missing."""

        def read(name: str) -> str:
            return environment[f"BRIDGE_TESTBED_{name}"]

        return cls(
            folder=Path(read("DIR")),
            slurm_conf=Path(read("SLURM_CONF")),
            user=read("USER"),
            second_user=read("SECOND_USER"),
            work_root=Path(read("WORK_ROOT")),
            bin=Path(read("BIN")),
            path=read("PATH"),
            images=Path(read("IMAGES")),
            broker=Broker(
                host=read("AMQP_HOST"),
                port=int(read("AMQP_PORT")),
                user=read("AMQP_USER"),
                vhost=read("AMQP_VHOST"),
                password_file=Path(read("AMQP_PASSWORD_FILE")),
                url=read("AMQP_URL"),
                management_url=read("MANAGEMENT_URL"),
                management_user=read("MANAGEMENT_USER"),
                management_password_file=Path(read("MANAGEMENT_PASSWORD_FILE")),
            ),
            login_node=LoginNode(
                port=int(read("SSH_PORT")),
                key=Path(read("SSH_KEY")),
                known_hosts=Path(read("SSH_KNOWN_HOSTS")),
            ),
        )

    @property
    def bridge_command(self) -> Path:
        """`hpc-bridge` as a site would have it: from the built wheel, see scripts/wheel-env."""
        return self.folder / "venv" / "bin" / "hpc-bridge"

    def start(self, part: str) -> None:
        """Starts one part and waits until it answers."""
        self._call("start", part)

    def stop(self, part: str) -> None:
        """Ends one part in good order."""
        self._call("stop", part)

    def kill(self, part: str, *, with_jobs: bool = False) -> None:
        """Ends one part with SIGKILL; of a node also its running jobs, `with_jobs`."""
        self._call("kill", part, *(["--with-jobs"] if with_jobs else []))

    def set_up(self, *options: str) -> None:
        """Has the testbed be so, as `scripts/testbed up` takes it; what changes is restarted."""
        self._call("up", *options)

    def as_user(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """argv that runs `argv` as the ordinary user, or as `user`, from the work root.

        It sees that user's own groups and an environment of nothing but the user's own basics, the
        testbed's PATH and SLURM_CONF, and `environment`. To be started by root.
        """
        account = pwd.getpwnam(user or self.user)
        variables = {"PATH": self.path, "SLURM_CONF": str(self.slurm_conf), **(environment or {})}
        return [
            "/usr/bin/setpriv",
            f"--reuid={account.pw_uid}",
            f"--regid={account.pw_gid}",
            "--init-groups",
            "--reset-env",
            "--",
            "/usr/bin/env",
            f"--chdir={self.work_root}",
            *(f"{name}={value}" for name, value in variables.items()),
            *argv,
        ]

    def _call(self, verb: str, *arguments: str) -> None:
        """CalledProcessError with the testbed's own words as a note when it does not work."""
        program = str(CHECKOUT / "scripts" / "testbed")
        argv = [program, "--dir", str(self.folder), verb, *arguments]
        try:
            subprocess.run(
                argv,
                check=True,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PART_ACTION_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            error.add_note(error.stdout)
            raise
