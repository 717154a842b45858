"""The two ordinary users of the site; real accounts of this machine, without a password."""

import pwd
from pathlib import Path

from .console import SetupFailed
from .layout import ALICE, BOB
from .part import ask

# sshd takes an account whose password field begins with "!" for locked; "*" is just no password.
_UNUSABLE = "*"


def settle() -> None:
    """Make the accounts that are missing, and unlock those that were made elsewhere."""
    for user in (ALICE, BOB):
        try:
            pwd.getpwnam(user)
        except KeyError:
            _run("useradd", "--create-home", "--shell=/bin/bash", "--user-group", user)
        if _password_field(user) != _UNUSABLE:
            _run("usermod", f"--password={_UNUSABLE}", user)


def _password_field(user: str) -> str | None:
    for line in Path("/etc/shadow").read_text().splitlines():
        name, field, *_ = line.split(":")
        if name == user:
            return field
    return None


def _run(*argv: str) -> None:
    went_well, answer = ask(argv)
    if not went_well:
        raise SetupFailed(f"{' '.join(argv)}: {answer}", hint="run it by hand to see why")
