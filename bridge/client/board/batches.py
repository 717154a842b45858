"""Many rows at once: look up, insert, update."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, and_, bindparam, insert, select, update

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")

_AT_ONCE = 500
"""How many values a statement names; databases bound that."""


def batches(values: Sequence[str]) -> Iterable[Sequence[str]]:
    """The values, as many at once as a statement may name."""
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def load(
    connection: Connection,
    table: Table,
    column: str,
    values: Collection[str],
    *,
    read: Callable[[Row[Any]], Item],
    key_of: Callable[[Item], Key],
) -> dict[Key, Item]:
    """What is in the rows whose column has one of these values, by its key."""
    found = {}
    for some in batches(sorted(values)):
        for row in connection.execute(select(table).where(table.c[column].in_(some))):
            item = read(row)
            found[key_of(item)] = item
    return found


def save(
    connection: Connection,
    table: Table,
    known: Mapping[Key, object],
    changed: Mapping[Key, Mapping[str, Any]],
) -> None:
    """Insert what is new and update what is not."""
    new = [it for key, it in changed.items() if key not in known]
    if new:
        connection.execute(insert(table), new)
    old = [
        {**it, **{f"old_{column.name}": it[column.name] for column in table.primary_key}}
        for key, it in changed.items()
        if key in known
    ]
    if old:
        is_it = and_(*(it == bindparam(f"old_{it.name}") for it in table.primary_key))
        values: dict[str, Any] = {
            it.name: bindparam(it.name) for it in table.c if not it.primary_key
        }
        connection.execute(update(table).where(is_it).values(values), old)
