"""A private MariaDB for slurmdbd: one Unix socket, no TCP port."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from . import files
from .console import SetupFailed
from .part import Part, ask
from .process import Launch

DATABASE = "slurm_acct_db"
USER = "slurm"


class MariaDb(Part):
    """The accounting database server."""

    name = "mariadb"
    hint = "is the disk full? `testbed down --purge` starts with an empty database"
    ready_seconds = 60.0
    stop_seconds = 60.0

    @property
    def _home(self) -> Path:
        return self.layout.root / "mariadb"

    @property
    def _first_statements(self) -> Path:
        return self._home / "init.sql"

    @property
    def address(self) -> str:
        return str(self.layout.mariadb_socket)

    def prepare(self) -> None:
        files.folder(self._home, owner="mysql")
        files.folder(self._home / "run", owner="mysql")
        password = files.password(self.layout.secret("mariadb-password"))
        statements = (
            f"CREATE DATABASE IF NOT EXISTS {DATABASE};\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'localhost' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'localhost';\n"
        )
        files.write(self._first_statements, statements, owner="mysql", mode=0o600)
        if not (self._home / "data").exists():
            self._install_database()

    def _install_database(self) -> None:
        new = self._home / "data.new"
        # What an interrupted attempt left behind.
        shutil.rmtree(new, ignore_errors=True)
        argv = ("mariadb-install-db", "--no-defaults", "--user=mysql", "--skip-test-db")
        went_well, answer = ask([*argv, f"--datadir={new}"], seconds=120)
        if not went_well:
            raise SetupFailed(
                "mariadb-install-db failed", hint=self.hint, log_lines=answer.splitlines()[-12:]
            )
        new.rename(self._home / "data")

    def launches(self) -> Sequence[Launch]:
        argv = (
            "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={self._home / 'data'}",
            f"--socket={self.layout.mariadb_socket}",
            f"--pid-file={self._home / 'run' / 'pid'}",
            f"--init-file={self._first_statements}",
            "--skip-networking",
            "--skip-log-bin",
            "--innodb-buffer-pool-size=128M",
            # Slurm's accounting guide asks for it: archiving holds locks for long.
            "--innodb-lock-wait-timeout=900",
            # Survives SIGKILL of the server, which is the fault that tests make; not a power cut.
            "--innodb-flush-log-at-trx-commit=2",
        )
        return [Launch(argv=argv, user="mysql", output=self.output, cwd=self._home)]

    def probe(self) -> str | None:
        argv = ["mariadb", "--no-defaults", f"--socket={self.layout.mariadb_socket}"]
        argv += [f"--user={USER}", f"--database={DATABASE}", "--execute=SELECT 1"]
        password = files.password(self.layout.secret("mariadb-password"))
        went_well, answer = ask(argv, env={"MYSQL_PWD": password})
        return None if went_well else answer
