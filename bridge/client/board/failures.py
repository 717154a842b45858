"""What a database cannot do, in the errors of the bridge."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    TimeoutError,  # noqa: A004  # the name that SQLAlchemy has given it
)

from bridge.core.errors import ConfigurationError, Problem, UnavailableError

NOT_NOW = (OperationalError, InterfaceError, InternalError, TimeoutError)
"""What a database that is away, or busy, makes SQLAlchemy raise."""


@contextmanager
def failures(url: URL) -> Iterator[None]:
    """What the database cannot do becomes an error of ours, without the statement."""
    shown = url.render_as_string(hide_password=True)
    try:
        yield
    except NOT_NOW as error:
        cause = getattr(error, "orig", None) or error
        raise UnavailableError(f"the board {shown}: {cause}") from error
    except DatabaseError as error:
        # The subclasses speak of a statement; SQLite's own says that the file is none of its.
        if type(error) is not DatabaseError:
            raise
        raise problem(f"{shown}: {error.orig}") from error


def problem(what: str) -> ConfigurationError:
    """What cannot be a board."""
    return ConfigurationError(Problem(where="board", what=what))
