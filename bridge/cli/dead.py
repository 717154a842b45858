"""`hpc-bridge dead`: the messages that a site has refused."""

import base64
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bridge.cli import exits
from bridge.cli.options import broker_and_site, broker_option

if TYPE_CHECKING:
    from bridge.adapters.rabbitmq.dead_letters import DeadLetter, DeadLetters

_site_argument = click.argument("site", metavar="SITE")
_number_argument = click.argument("numbers", metavar="NUMBER...", nargs=-1)
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_MOST = 10_000


@click.group(epilog=exits.TABLE)
def dead() -> None:
    """Look at the messages that a site has refused, and send them once more.

    They stay where they are until they are sent once more. SITE is a site's YAML, or a site's name
    with --broker; NUMBER is what `list` shows, or its beginning.
    """


@dead.command("list", epilog=exits.TABLE)
@_site_argument
@broker_option
@_json_option
def list_letters(site: str, broker_url: str | None, *, as_json: bool) -> None:
    """Show the refused messages, the oldest first."""
    from bridge.cli.table import table, time_of_day

    with _opened(site, broker_url) as (letters, name):
        found = list(letters.letters(_MOST))
    if as_json:
        for it in found:
            click.echo(json.dumps(_described(it, name)))
        return
    rows = [
        (it.number, time_of_day(it.died_at), it.reason or "-", str(len(it.body)), _why(it, name))
        for it in found
    ]
    for line in table(("number", "refused", "reason", "bytes", "why"), rows):
        click.echo(line)


@dead.command(epilog=exits.TABLE)
@_site_argument
@click.argument("number", metavar="NUMBER")
@broker_option
@click.option("--body", is_flag=True, help="Print the message alone, byte for byte.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object, with the message in Base64."
)
def show(site: str, number: str, broker_url: str | None, *, body: bool, as_json: bool) -> None:
    """Show a refused message and what is wrong with it.

    To send a corrected one: `dead show SITE NUMBER --body > job.json`, change it, `submit`.
    """
    if body and as_json:
        raise click.UsageError("Either --body or --json is wanted.")
    with _opened(site, broker_url) as (letters, name):
        letter = _chosen(list(letters.letters(_MOST)), [number])[0]
    if body:
        sys.stdout.buffer.write(letter.body)
        return
    if as_json:
        data = base64.b64encode(letter.body).decode()
        click.echo(json.dumps({**_described(letter, name), "data": data}))
        return
    click.echo(json.dumps(_described(letter, name), indent=2))
    click.echo(_shown(letter.body))


@dead.command(epilog=exits.TABLE)
@_site_argument
@_number_argument
@broker_option
@click.option("--all", "every", is_flag=True, help="All of them.")
@_json_option
def replay(
    site: str, numbers: Sequence[str], broker_url: str | None, *, every: bool, as_json: bool
) -> None:
    """Send refused messages once more, as they are: after the site's rules have changed.

    Each leaves this queue when the broker has confirmed that the site's queue has it.
    """
    if every == bool(numbers):
        raise click.UsageError("Give the numbers of messages, or --all.")
    with _opened(site, broker_url) as (letters, name):
        found = list(letters.letters(_MOST))
        for letter in found if every else _chosen(found, numbers):
            letters.replay(letter)
            click.echo(json.dumps(_described(letter, name)) if as_json else letter.number)


@contextmanager
def _opened(site: str, broker_url: str | None) -> "Iterator[tuple[DeadLetters, str]]":
    from bridge.adapters.rabbitmq.dead_letters import DeadLetters

    with exits.user_errors():
        broker, name = broker_and_site(site, broker_url)
        with DeadLetters(broker, name or site) as letters:
            yield letters, name or site


def _chosen(letters: "Sequence[DeadLetter]", numbers: Sequence[str]) -> "list[DeadLetter]":
    from bridge.core.errors import InvalidRequestError, Problem

    chosen = {}
    for number in numbers:
        found = [it for it in letters if it.number.startswith(number)]
        if len({it.number for it in found}) != 1:
            what = "no refused message has" if not found else "several refused messages have"
            raise InvalidRequestError(Problem(where="NUMBER", what=f"{what} the number {number}"))
        chosen.update({it.delivery_tag: it for it in found})
    return list(chosen.values())


def _described(letter: "DeadLetter", site: str) -> dict[str, object]:
    return {
        "number": letter.number,
        "refused_at": None if letter.died_at is None else letter.died_at.isoformat(),
        "reason": letter.reason,
        "queue": letter.queue,
        "message_id": letter.message_id,
        "bytes": len(letter.body),
        "why": _why(letter, site),
    }


def _why(letter: "DeadLetter", site: str) -> str:
    """What is wrong with the message itself, as far as that can be said here."""
    from bridge.core.errors import InvalidRequestError
    from bridge.wire.control import read_cancel
    from bridge.wire.request import read_job

    try:
        if f".control.{site}" in letter.queue:
            read_cancel(letter.body)
        else:
            read_job(letter.body, site=site)
    except InvalidRequestError as error:
        return str(error)
    return "right in form; the event `rejected` says what the site does not allow"


def _shown(body: bytes) -> str:
    from bridge.cli.table import printable

    text = body.decode(errors="replace")
    try:
        return json.dumps(json.loads(text), indent=2)
    except (ValueError, RecursionError):
        return "\n".join(map(printable, text.splitlines()))
