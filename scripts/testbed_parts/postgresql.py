"""A private PostgreSQL for the board's tests: on loopback, with a password."""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from . import files, process
from .console import SetupFailed
from .layout import POSTGRESQL_USER
from .part import Part, ask
from .process import Launch

# PostgreSQL refuses root (initdb(1)); Debian's package has made this account.
_OWNER = "postgres"
_VERSIONS = Path("/usr/lib/postgresql")


class PostgreSql(Part):
    """The database server; its user may make databases, and is no superuser."""

    name = "postgresql"
    hint = "`testbed down --purge` starts with an empty database"
    ready_seconds = 60.0
    # "Fast": it does not wait for its clients to leave (postgres(1), SIGINT).
    stop_signal = signal.SIGINT

    @property
    def _home(self) -> Path:
        return self.layout.root / "postgresql"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.layout.ports[self.name]}"

    def prepare(self) -> None:
        files.folder(self._home, owner=_OWNER, mode=0o700)
        if not (self._home / "data").exists():
            self._make_cluster()
        if not self.processes:
            # One that was killed leaves it behind, and as a zombie counts as running. Ours is gone.
            (self._home / "data" / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        new = self._home / "data.new"
        # What an interrupted attempt left behind.
        shutil.rmtree(new, ignore_errors=True)
        self._as_owner(
            *("initdb", f"--pgdata={new}", f"--username={_OWNER}", "--auth=reject", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        )
        access = f"host all {POSTGRESQL_USER} 127.0.0.1/32 scram-sha-256\n"
        files.write(new / "pg_hba.conf", access, owner=_OWNER, mode=0o600)
        password = files.password(self.layout.secret("postgresql-password"))
        statement = f"CREATE ROLE {POSTGRESQL_USER} LOGIN CREATEDB PASSWORD '{password}'\n"
        self._as_owner("postgres", "--single", "-D", str(new), "postgres", text=statement)
        new.rename(self._home / "data")

    def _as_owner(self, program: str, *arguments: str, text: str = "") -> None:
        become = ["setpriv", f"--reuid={_OWNER}", f"--regid={_OWNER}", "--init-groups", "--"]
        argv = [*become, "env", f"--chdir={self._home}", _installed(program), *arguments]
        went_well, answer = ask(argv, text=text, seconds=120)
        if not went_well:
            raise SetupFailed(
                f"{program} failed", hint=self.hint, log_lines=answer.splitlines()[-12:]
            )

    def launches(self) -> Sequence[Launch]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.layout.ports[self.name]),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            # What was committed survives SIGKILL of the server, which is the fault that tests make;
            # not a power cut.
            "fsync": "off",
            "full_page_writes": "off",
        }
        flags = [it for name, value in settings.items() for it in ("-c", f"{name}={value}")]
        argv = (_installed("postgres"), "-D", str(self._home / "data"), *flags)
        return [Launch(argv=argv, user=_OWNER, output=self.output, cwd=self._home)]

    def children(self) -> Sequence[int]:
        # Each is in a session of its own, and the next server waits until the last one has gone.
        return process.descendants([one.pid for one in self.processes])

    def probe(self) -> str | None:
        argv = [_installed("psql"), "--no-psqlrc", "--no-password", "--command=SELECT 1"]
        password = files.password(self.layout.secret("postgresql-password"))
        environment = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.layout.ports[self.name]),
            "PGUSER": POSTGRESQL_USER,
            "PGDATABASE": "postgres",
            "PGPASSWORD": password,
        }
        went_well, answer = ask(argv, env=environment)
        return None if went_well else answer


def _installed(program: str) -> str:
    """A program of the newest PostgreSQL that is installed; Debian keeps them out of PATH."""
    found = max(_VERSIONS.glob("*/bin/postgres"), key=lambda it: int(it.parents[1].name))
    return str(found.with_name(program))
