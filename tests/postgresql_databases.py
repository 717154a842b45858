"""The testbed's PostgreSQL: a database for each test."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from sqlalchemy import create_engine, make_url

SERVER = "BRIDGE_TESTBED_POSTGRESQL_URL"


@contextmanager
def new_database(*, like: str | None = None) -> Iterator[str]:
    """The SQLAlchemy URL of a database that is there meanwhile.

    It is empty, or a copy of the one with the URL `like`, which nobody may be using.
    """
    server = make_url(os.environ[SERVER])
    name = f"test_{token_hex(8)}"
    template = "template1" if like is None else make_url(like).database
    # A database is made and dropped outside of transactions (CREATE DATABASE, Notes).
    engine = create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        engine.dispose()
