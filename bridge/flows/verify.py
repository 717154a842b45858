"""Verify: whether what a journal holds can be so."""

from collections.abc import Iterator
from typing import Protocol

from bridge.core.audit import History, RecordedEvent, violations
from bridge.core.errors import InvalidRequestError
from bridge.wire.event import decode


class InspectedJournal(Protocol):
    """A journal that is looked into. Every method may raise UnavailableError."""

    def damage(self) -> Iterator[str]:
        """What is wrong with the file itself."""
        ...

    def histories(self) -> Iterator[History | str]:
        """Every job; words for one that cannot be read back."""
        ...

    def notices(self) -> Iterator[RecordedEvent | str]:
        """The events that are no job's; words for one that cannot be read back."""
        ...


def verify(journal: InspectedJournal) -> Iterator[str]:
    """Everything that is wrong with the journal, in words; nothing where all is well.

    A file that is damaged is not looked into any further. Raises UnavailableError.
    """
    damaged = False
    for words in journal.damage():
        damaged = True
        yield words
    if damaged:
        return
    for history in journal.histories():
        if isinstance(history, str):
            yield history
            continue
        for words in violations(history):
            yield f"job {history.job.job_id}: {words}"
        for event in history.events:
            yield from _of_the_body(event)
    for notice in journal.notices():
        if isinstance(notice, str):
            yield notice
        elif notice.reply_to is None:
            yield from _of_the_body(notice)


def _of_the_body(event: RecordedEvent) -> Iterator[str]:
    try:
        told = decode(event.body)
    except InvalidRequestError as error:
        yield f"event {event.event_id}: its body is no status event: {error}"
        return
    if told.id != event.event_id:
        yield f"event {event.event_id}: its body bears the id {told.id}"
    if (kind := event.routing_key.rpartition(".")[2]) != told.data.event:
        yield f"event {event.event_id}: its body tells {told.data.event}, its routing key {kind}"
