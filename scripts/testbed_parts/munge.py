"""munged with a key and a socket of its own: Slurm's messages are signed with it."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from . import files
from .part import Part, ask
from .process import Launch


class Munge(Part):
    """The site's authentication service (munged(8))."""

    name = "munge"
    hint = "munged refuses folders that others may write to; see `testbed logs munge`"

    @property
    def _home(self) -> Path:
        return self.layout.root / "munge"

    @property
    def address(self) -> str:
        return str(self.layout.munge_socket)

    def prepare(self) -> None:
        files.folder(self._home, owner="munge")
        files.folder(self._home / "run", owner="munge")
        files.folder(self._home / "private", owner="munge", mode=0o700)
        key = self._home / "private" / "key"
        if not key.exists():
            files.write(key, secrets.token_hex(64), owner="munge", mode=0o400)

    def launches(self) -> Sequence[Launch]:
        private = self._home / "private"
        argv = (
            "/usr/sbin/munged",
            "--foreground",
            f"--socket={self.layout.munge_socket}",
            f"--key-file={private / 'key'}",
            f"--pid-file={private / 'pid'}",
            f"--seed-file={private / 'seed'}",
            # A killed munged leaves its socket and lock behind; the record of pids says it is gone.
            "--force",
        )
        return [Launch(argv=argv, user="munge", output=self.output, cwd=self._home)]

    def probe(self) -> str | None:
        socket = f"--socket={self.layout.munge_socket}"
        went_well, credential = ask(["munge", socket, "--no-input"])
        if not went_well:
            return credential
        went_well, answer = ask(["unmunge", socket, "--no-output"], text=credential)
        return None if went_well else answer
