"""Which jobs' events are wanted, by what was asked for."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bridge.core.lifecycle import EventKind
from bridge.wire.event import CloudEvent, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Jobs that fit every condition. Empty conditions fit all."""

    users: Collection[str] = ()
    kinds: Collection[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Each label must be there with this value."""
    text: str = ""
    """Part of the name, the job's id or the image; letters' case does not matter."""

    @property
    def is_of_all(self) -> bool:
        """Whether there is no condition."""
        return not (self.users or self.kinds or self.labels or self.text)

    def fits(self, job_id: str, asked: Summary) -> bool:
        """Whether a job fits of which this was asked."""
        text = self.text.casefold()
        return (
            (not self.users or asked.user in self.users)
            and (not self.kinds or asked.kind in self.kinds)
            and self.labels.items() <= asked.labels.items()
            and any(text in it.casefold() for it in (asked.name, job_id, asked.image))
        )


class Chooser:
    """Tells events of chosen jobs from others. What a job is, its `accepted` event tells alone."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._chosen: set[str] = set()

    def learn(self, events: Iterable[CloudEvent]) -> None:
        """Take in what was told before."""
        for event in events:
            data = event.data
            if data.event is not EventKind.ACCEPTED or data.job_id is None or data.job is None:
                continue
            if self._choice.fits(data.job_id, data.job):
                self._chosen.add(data.job_id)

    def chosen(self, events: Iterable[CloudEvent]) -> Iterator[CloudEvent]:
        """The events of jobs that fit; those of no job only where there is no condition."""
        for event in events:
            self.learn([event])
            if self._choice.is_of_all or event.data.job_id in self._chosen:
                yield event
