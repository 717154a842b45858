"""A private RabbitMQ with the management plugin: own node name, cookie, epmd, ports and folders."""

import base64
import hashlib
import json
import os
import secrets
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from . import files
from .layout import ALICE, AMQP_USER, AMQP_VHOST, MANAGEMENT_USER
from .part import Part
from .process import Launch

_OWNER = "rabbitmq"


class RabbitMq(Part):
    """The message broker (rabbitmq-server(8)) and its port mapper (epmd(1))."""

    name = "rabbitmq"
    hint = "`testbed down --purge` starts with an empty broker"
    ready_seconds = 90.0
    stop_seconds = 40.0

    @property
    def _home(self) -> Path:
        return self.layout.root / "rabbitmq"

    @property
    def _config(self) -> Path:
        return self._home / "etc" / "rabbitmq.conf"

    @property
    def _definitions(self) -> Path:
        return self._home / "etc" / "definitions.json"

    @property
    def _plugins(self) -> Path:
        return self._home / "etc" / "enabled_plugins"

    @property
    def address(self) -> str:
        ports = self.layout.ports
        return f"127.0.0.1:{ports['amqp']} and management :{ports['management']}"

    def configuration(self) -> Sequence[Path]:
        return (self._config, self._definitions, self._plugins)

    def prepare(self) -> None:
        for name in ("", "etc", "log", "data"):
            files.folder(self._home / name, owner=_OWNER, mode=0o755 if name == "" else 0o700)
        cookie = self._home / ".erlang.cookie"
        if not cookie.exists():
            files.write(cookie, secrets.token_hex(20), owner=_OWNER, mode=0o400)
        files.write(self._plugins, "[rabbitmq_management].\n", owner=_OWNER)
        files.write(self._home / "etc" / "rabbitmq-env.conf", "", owner=_OWNER)
        files.write(self._config, self._configuration_text(), owner=_OWNER)
        if not self._definitions.exists():
            text = json.dumps(self._first_definitions(), indent=2)
            files.write(self._definitions, text, owner=_OWNER, mode=0o600)

    def _configuration_text(self) -> str:
        ports = self.layout.ports
        settings = (
            ("listeners.tcp.local", f"127.0.0.1:{ports['amqp']}"),
            ("management.tcp.ip", "127.0.0.1"),
            ("management.tcp.port", ports["management"]),
            # With definitions to load, the broker makes no guest user (its definitions guide).
            ("load_definitions", self._definitions),
            ("log.console", "true"),
            ("log.console.level", "info"),
            ("log.file", "false"),
            ("vm_memory_high_watermark.absolute", "1GB"),
            ("disk_free_limit.absolute", "200MB"),
            # Quorum queues write a log ahead; the default of 512 MB is for large machines.
            ("raft.wal_max_size_bytes", 64 * 1024 * 1024),
            ("collect_statistics_interval", 1000),
        )
        return "".join(f"{name} = {value}\n" for name, value in settings)

    def _first_definitions(self) -> dict[str, object]:
        return {
            "users": [
                self._user(AMQP_USER, kept_in="amqp-password", owner=ALICE, tags=""),
                self._user(
                    MANAGEMENT_USER,
                    kept_in="management-password",
                    owner="root",
                    tags="administrator",
                ),
            ],
            "vhosts": [{"name": AMQP_VHOST}],
            "permissions": [
                {"user": user, "vhost": AMQP_VHOST, "configure": ".*", "write": ".*", "read": ".*"}
                for user in (AMQP_USER, MANAGEMENT_USER)
            ],
        }

    def _user(self, name: str, *, kept_in: str, owner: str, tags: str) -> dict[str, str]:
        password = files.password(self.layout.secret(kept_in), owner=owner)
        return {
            "name": name,
            "password_hash": salted_hash(password, salt=os.urandom(4)),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": tags,
        }

    def launches(self) -> Sequence[Launch]:
        ports = self.layout.ports
        env = self.environment()
        epmd = ("/usr/bin/epmd", "-address", "127.0.0.1", "-port", str(ports["epmd"]))
        # As a service manager would run it: the Erlang machine replaces the start script.
        broker = ("env", "RUNNING_UNDER_SYSTEMD=true", "/usr/lib/rabbitmq/bin/rabbitmq-server")
        return [
            Launch(argv=epmd, user=_OWNER, output=self.output, cwd=self._home, env=env),
            Launch(argv=broker, user=_OWNER, output=self.output, cwd=self._home, env=env),
        ]

    def environment(self) -> dict[str, str]:
        """The environment of the broker and of rabbitmqctl for it."""
        ports, home = self.layout.ports, self._home
        return {
            "HOME": str(home),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(ports["epmd"]),
            "RABBITMQ_NODENAME": f"testbed-{self.layout.name}@localhost",
            "RABBITMQ_DIST_PORT": str(ports["amqp_dist"]),
            "RABBITMQ_CONF_ENV_FILE": str(home / "etc" / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self._config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "etc" / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._plugins),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            # Loopback only for Erlang's own port, too; idle schedulers sleep instead of spinning.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"
                " +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }

    def probe(self) -> str | None:
        return self._broker_answer() or self._management_answer()

    def _broker_answer(self) -> str | None:
        try:
            address = ("127.0.0.1", self.layout.ports["amqp"])
            with socket.create_connection(address, timeout=5) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                # A method frame on channel 0 (AMQP 0-9-1, connection.start).
                return None if connection.recv(3) == b"\x01\x00\x00" else "no AMQP greeting"
        except OSError as error:
            return f"AMQP port: {error.strerror or error}"

    def _management_answer(self) -> str | None:
        password = self.layout.secret("management-password").read_text().strip()
        token = base64.b64encode(f"{MANAGEMENT_USER}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.layout.ports['management']}/api/overview",
            headers={"Authorization": f"Basic {token}"},
        )
        # No proxy: the address is this machine's own.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5):
                return None
        except (OSError, urllib.error.URLError) as error:
            return f"management port: {error}"


def salted_hash(password: str, *, salt: bytes) -> str:
    """A password as the broker keeps it: base64(salt + SHA-256(salt + password)), salt 4 bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
