"""Which bridges are there, as statements: what they said, and whether anybody could hear it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Connection, delete, insert, select, update

from bridge.client.board import rows, schema
from bridge.client.board.model import BoardSite
from bridge.client.board.writing import tell_pages
from bridge.core.errors import InvalidRequestError
from bridge.wire.limits import SiteLimits
from bridge.wire.presence import Presence, presence_body, read_presence


def read_sites(connection: Connection) -> tuple[BoardSite, ...]:
    """The sites that were heard of, by name, with what their bridges say of themselves."""
    found = {it.name: rows.site_from(it) for it in connection.execute(select(schema.sites))}
    for row in connection.execute(select(schema.presence)):
        site = found.get(row.site) or BoardSite(name=row.site, heard_at=row.arrived_at)
        found[row.site] = replace(
            site,
            heard_at=max(site.heard_at, row.arrived_at),
            presence=_presence(row.body),
            presence_at=row.arrived_at,
            limits=_limits(row.limits),
        )
    return tuple(found[it] for it in sorted(found))


def write_presence(connection: Connection, said: Iterable[Presence], *, now: datetime) -> None:
    """Keep what bridges have said of themselves just now."""
    table = schema.presence
    latest = {it.site: it for it in said}
    for site, presence in latest.items():
        values = {"arrived_at": now, "body": presence_body(presence).decode()}
        written = connection.execute(update(table).where(table.c.site == site).values(values))
        if not written.rowcount:
            connection.execute(insert(table).values(site=site, **values))
    if latest:
        tell_pages(connection)


def write_limits(connection: Connection, site: str, limits: SiteLimits, *, digest: str) -> None:
    """Keep what a site allows, under the digest that its bridge told; see Presence."""
    table = schema.presence
    values = {"limits": limits.model_dump_json(), "limits_digest": digest}
    connection.execute(update(table).where(table.c.site == site).values(values))
    tell_pages(connection)


def unknown_limits(connection: Connection, said: Iterable[Presence]) -> Mapping[str, str]:
    """The sites of these whose limits are others than those that are kept, and their digests."""
    column = schema.presence.c
    kept: Mapping[str, str | None] = {
        it.site: it.limits_digest
        for it in connection.execute(select(column.site, column.limits_digest))
    }
    latest = {it.site: it.limits_digest for it in said}
    return {site: digest for site, digest in latest.items() if kept.get(site) != digest}


def write_hearing(connection: Connection, *, until: datetime) -> None:
    """Up to now nothing that bridges said was missed."""
    connection.execute(delete(schema.hearing))
    connection.execute(insert(schema.hearing).values(only=1, until=until))


def read_hearing(connection: Connection) -> datetime | None:
    """Up to when nothing that bridges said was missed; None: nobody has listened yet."""
    until: datetime | None = connection.scalar(select(schema.hearing.c.until))
    return until


def _presence(body: str) -> Presence | None:
    try:
        return read_presence(body.encode())
    except InvalidRequestError:
        return None


def _limits(body: str | None) -> SiteLimits | None:
    try:
        return None if body is None else SiteLimits.model_validate_json(body)
    except ValidationError:
        return None
