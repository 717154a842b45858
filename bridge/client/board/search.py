"""An index of the text that pages search for, where the database has one.

SQLite: a table of FTS5 with its trigram tokenizer (sqlite.org/fts5, 4.3.4), which triggers keep.
PostgreSQL: the indexes of pg_trgm, where that may be installed; they serve the question as it is.
Elsewhere, for less than three characters, and for what very many jobs have in them, jobs are looked
at one by one: a page is full soon then.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    column,
    func,
    inspect,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError

from bridge.client.board import schema
from bridge.client.board.rows import clean

_SEARCHED = ("name", "job_id", "image")
_SHORTEST = 3
"""Characters: of fewer there is no trigram."""
_FEW = 2_000
"""Jobs: so many are sorted in a moment."""
_INDEX = table("bridge_search", column("job_id"))

_REMOVE = """
    DELETE FROM bridge_search WHERE rowid IN (
        SELECT rowid FROM bridge_search
        WHERE bridge_search MATCH 'job_id:"' || replace(old.job_id, '"', '""') || '"'
        AND job_id = old.job_id);
"""
_ADD = """
    INSERT INTO bridge_search (name, job_id, image) VALUES (new.name, new.job_id, new.image);
"""
_SQLITE = (
    "DROP TABLE IF EXISTS bridge_search",
    "CREATE VIRTUAL TABLE bridge_search USING fts5(name, job_id, image, tokenize = 'trigram')",
    f"CREATE TRIGGER bridge_search_new AFTER INSERT ON bridge_jobs BEGIN {_ADD} END",
    f"CREATE TRIGGER bridge_search_gone AFTER DELETE ON bridge_jobs BEGIN {_REMOVE} END",
    f"""
    CREATE TRIGGER bridge_search_changed AFTER UPDATE OF name, image ON bridge_jobs
    WHEN old.name IS NOT new.name OR old.image IS NOT new.image BEGIN {_REMOVE} {_ADD} END
    """,
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    *(
        f"CREATE INDEX bridge_search_{it} ON bridge_jobs USING gin ({it} gin_trgm_ops)"
        for it in _SEARCHED
    ),
)


def make_index(connection: Connection) -> None:
    """Make an index of `jobs`, which has no rows yet; where that cannot be, there is none."""
    statements = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    try:
        with connection.begin_nested():
            for it in statements:
                connection.exec_driver_sql(it)
    except DBAPIError:
        # SQLite without FTS5, or before 3.34; PostgreSQL without the extension, or the right to it.
        return


def can_search(connection: Connection) -> bool:
    """Whether `finds_few` may be asked here."""
    return connection.dialect.name == "sqlite" and inspect(connection).has_table(_INDEX.name)


def finds_few(connection: Connection, text: str) -> bool:
    """Whether the index finds this text, and in few jobs."""
    if len(text) < _SHORTEST:
        return False
    some = _found(text).limit(_FEW + 1).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) <= _FEW


def having(text: str, *, by_index: bool) -> ColumnElement[bool]:
    """That one of a job's texts has this one in it, whatever the case of its letters."""
    jobs = schema.jobs.c
    if by_index:
        return jobs.job_id.in_(_found(text))
    return or_(*(jobs[it].icontains(clean(text), autoescape=True) for it in _SEARCHED))


def _found(text: str) -> Select[Any]:
    phrase = '"' + clean(text).replace('"', '""') + '"'
    return select(_INDEX.c.job_id).where(literal_column(_INDEX.name).op("MATCH")(phrase))
