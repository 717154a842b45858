"""The broker's password: from a file or a variable, and from nowhere else."""

import re
import stat
from pathlib import Path

from bridge.sites.document import Document
from bridge.sites.model import SiteFile

_PLACE = ("broker", "password")
_FILE_PLACE = ("broker", "password_file")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", re.ASCII)


_IN_THE_FILE = (
    "a password may not stand in this file: put it into a file of its own and name that as "
    "password_file, or name a variable as password: ${NAME}"
)


def report_open_password(document: Document) -> None:
    """Records a password that stands in the file itself, whatever else is wrong there."""
    written = document.written.get(_PLACE)
    if written is not None and not _VARIABLE.fullmatch(written):
        document.report(_PLACE, _IN_THE_FILE)


def report_password(model: SiteFile, document: Document) -> None:
    """Records what is wrong with where the password is said to be."""
    broker = model.broker
    if broker.password is None and broker.password_file is None:
        document.report(
            _FILE_PLACE,
            "missing: name the file that holds the password here, "
            "or a variable as password: ${NAME}",
        )
    elif broker.password is not None and broker.password_file is not None:
        document.report(_PLACE, "give either password or password_file, not both")
    else:
        report_open_password(document)


def read_password(model: SiteFile, document: Document) -> str:
    """The password; empty, with a problem recorded, when it cannot be had."""
    broker = model.broker
    if broker.password_file is None:
        password = broker.password or ""
        if not password and broker.password is not None:
            document.report(_PLACE, "the variable is empty")
        return password
    path = Path(broker.password_file)
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        document.report(_FILE_PLACE, f"{path} cannot be read: {error.strerror}")
        return ""
    except UnicodeDecodeError:
        document.report(_FILE_PLACE, f"{path} is not UTF-8 text")
        return ""
    if mode & stat.S_IRWXO:
        document.report(_FILE_PLACE, f"{path} is open to everybody: chmod o= {path}")
    if not lines or not lines[0]:
        document.report(_FILE_PLACE, f"{path} has no password in its first line")
        return ""
    return lines[0]
