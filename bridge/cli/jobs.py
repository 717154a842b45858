"""`hpc-bridge jobs`: which jobs there are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from bridge.cli import exits
from bridge.cli.options import (
    DAYS,
    broker_and_site,
    broker_option,
    kind_option,
    label_option,
    patience_option,
    text_option,
    user_option,
)
from bridge.core.user_state import UserState

if TYPE_CHECKING:
    from bridge.client.board import Board, BoardJob


@click.command(epilog=exits.TABLE)
@click.argument("site", metavar="[SITE]", required=False)
@broker_option
@patience_option
@click.option(
    "--board",
    "board_url",
    metavar="URL",
    envvar="HPC_BRIDGE_BOARD",
    help="A board's file or SQLAlchemy URL; without, the broker's history is read.",
)
@click.option("--days", metavar="DAYS", type=DAYS, help="Of the last days only.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([it.value for it in UserState]),
    help="Only jobs in this state; may be given several times.",
)
@kind_option
@user_option
@label_option
@text_option
@click.option(
    "-n", "--number", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def jobs(
    *,
    site: str | None,
    broker_url: str | None,
    patience: timedelta,
    board_url: str | None,
    days: float | None,
    states: Sequence[str],
    kinds: Sequence[str],
    users: Sequence[str],
    labels: Mapping[str, str],
    text: str,
    number: int,
    as_json: bool,
) -> None:
    """Show the newest jobs: of one site, or of all.

    SITE is a site's YAML or name. Wants the extra `board`.
    """
    from bridge.cli.logs import configure_logging

    configure_logging(as_json=False, level="warning")
    with exits.user_errors(), exits.missing_extra("board"):
        from bridge.client.board import JobFilter

        with _board(board_url, site, broker_url, patience, days) as (board, name):
            wanted = JobFilter(
                sites=[name] if name else [],
                states=[UserState(it) for it in states],
                kinds=kinds,
                users=users,
                labels=labels,
                text=text,
            )
            page = board.jobs(wanted, size=number)
        for line in _as_json(page.jobs) if as_json else _as_table(page.jobs):
            click.echo(line)
        if not as_json and page.total > len(page.jobs):
            click.echo(f"{page.total - len(page.jobs)} more; -n shows more", err=True)


@contextmanager
def _board(
    board_url: str | None,
    site: str | None,
    broker_url: str | None,
    patience: timedelta,
    days: float | None,
) -> "Iterator[tuple[Board, str | None]]":
    """The board to look at, and the only site to look at."""
    import tempfile
    from pathlib import Path

    from bridge.client.board import Board, read_history

    if board_url is not None:
        with Board(board_url) as board:
            yield board, site
        return
    broker, name = broker_and_site(site, broker_url)
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    with tempfile.TemporaryDirectory() as folder, Board(Path(folder) / "board.sqlite") as board:
        read_history(broker, board, since=since, patience=patience)
        yield board, name


def _as_table(found: "Sequence[BoardJob]") -> Iterator[str]:
    from bridge.cli.table import state_cell, table, time_of_day

    rows = [
        (
            it.job_id,
            state_cell(it.state),
            it.site,
            it.name or "-",
            it.user or "-",
            time_of_day(it.accepted_at),
            _remarks(it),
        )
        for it in found
    ]
    yield from table(("job", "state", "site", "name", "user", "accepted", ""), rows)


def _remarks(job: "BoardJob") -> str:
    from bridge.cli.table import bar

    if job.state is UserState.RUNNING and job.progress is not None:
        return bar(job.progress.step, job.progress.total)
    words = job.pending_reason if job.state is UserState.QUEUED else None
    return words or job.detail or job.reason or ""


def _as_json(found: "Sequence[BoardJob]") -> Iterator[str]:
    import json
    from dataclasses import asdict

    for job in found:
        yield json.dumps(asdict(job), default=lambda it: it.isoformat())
