"""An SFTP session for one operation on the work root."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePath
from time import monotonic

from paramiko import SSHException

from bridge.adapters.ssh.connection import SshConnection
from bridge.adapters.ssh.sftp import Sftp
from bridge.core.errors import UnavailableError

PATIENCE = timedelta(seconds=60)
"""How long one operation may take."""


@contextmanager
def sftp_session(connection: SshConnection, path: PurePath | str) -> Iterator[Sftp]:
    """A session for something at `path`; what the server cannot do becomes UnavailableError."""
    deadline = monotonic() + PATIENCE.total_seconds()
    try:
        with connection.sftp(deadline) as sftp:
            yield sftp
    except (OSError, EOFError, SSHException) as error:
        words = str(error) or type(error).__name__
        if words == "Failure":
            # All that SFTP version 3 can say, of a full disk as of anything else.
            words = "the SFTP server says no more than: Failure (is the disk or a quota full?)"
        raise UnavailableError(f"{path} at {connection.server}: {words}") from error
