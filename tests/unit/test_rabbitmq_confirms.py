"""Which message a confirm speaks of, against a model that keeps one plain list."""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.adapters.rabbitmq.confirms import Confirmation, ConfirmTracker, Route

STARTED = Route(exchange="events", routing_key="cori.started", message_id="job-1/2")
FINISHED = Route(exchange="events", routing_key="cori.finished", message_id="job-1/3")
JOB = Route(exchange="jobs", routing_key="cori", message_id="job-1")


def test_an_ack_confirms_its_message_alone() -> None:
    tracker: ConfirmTracker[str] = ConfirmTracker()
    assert [tracker.published(name, JOB) for name in ("a", "b", "c")] == [1, 2, 3]
    assert tracker.answered(2, multiple=False, is_ack=True) == (("b", Confirmation.CONFIRMED),)
    assert len(tracker) == 2


def test_an_ack_for_many_confirms_all_that_are_not_younger() -> None:
    tracker: ConfirmTracker[str] = ConfirmTracker()
    for name in ("a", "b", "c"):
        tracker.published(name, JOB)
    assert tracker.answered(2, multiple=True, is_ack=True) == (
        ("a", Confirmation.CONFIRMED),
        ("b", Confirmation.CONFIRMED),
    )


def test_tag_zero_for_many_speaks_of_everything() -> None:
    tracker: ConfirmTracker[str] = ConfirmTracker()
    for name in ("a", "b"):
        tracker.published(name, JOB)
    assert tracker.answered(0, multiple=True, is_ack=False) == (
        ("a", Confirmation.REFUSED),
        ("b", Confirmation.REFUSED),
    )


def test_a_returned_message_is_unroutable_although_it_is_acked() -> None:
    tracker: ConfirmTracker[str] = ConfirmTracker()
    tracker.published("to somebody", JOB)
    tracker.published("to nobody", STARTED)
    tracker.returned(STARTED)
    assert tracker.answered(2, multiple=True, is_ack=True) == (
        ("to somebody", Confirmation.CONFIRMED),
        ("to nobody", Confirmation.UNROUTABLE),
    )


def test_an_answer_nobody_waits_for_is_nothing() -> None:
    tracker: ConfirmTracker[str] = ConfirmTracker()
    tracker.published("a", JOB)
    tracker.returned(FINISHED)
    assert tracker.answered(7, multiple=False, is_ack=True) == ()


def test_a_new_channel_counts_from_one_again() -> None:
    tracker: ConfirmTracker[str] = ConfirmTracker()
    tracker.published("a", JOB)
    tracker.published("b", JOB)
    tracker.answered(1, multiple=False, is_ack=True)
    assert tracker.lost() == ("b",)
    assert len(tracker) == 0
    assert tracker.published("c", JOB) == 1
    assert tracker.answered(1, multiple=False, is_ack=True) == (("c", Confirmation.CONFIRMED),)


@dataclass
class Sent:
    """A message of the model."""

    number: int
    tag: int
    route: Route
    came_back: bool = False


class AnyInterleaving(RuleBasedStateMachine):
    """Messages go out, come back and are answered in any order that a broker may choose."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker: ConfirmTracker[int] = ConfirmTracker()
        self.waiting: list[Sent] = []
        self.sent = 0
        self.last_tag = 0

    @rule(route=st.sampled_from([STARTED, FINISHED, JOB]))
    def publish(self, route: Route) -> None:
        self.sent += 1
        self.last_tag += 1
        assert self.tracker.published(self.sent, route) == self.last_tag
        self.waiting.append(Sent(number=self.sent, tag=self.last_tag, route=route))

    @precondition(lambda self: any(not it.came_back for it in self.waiting))
    @rule(data=st.data())
    def return_one(self, data: st.DataObject) -> None:
        # A broker answers alike messages in the order in which they came.
        routes = sorted({it.route.message_id for it in self.waiting if not it.came_back})
        message_id = data.draw(st.sampled_from(routes))
        oldest = next(
            it for it in self.waiting if it.route.message_id == message_id and not it.came_back
        )
        oldest.came_back = True
        self.tracker.returned(oldest.route)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), is_ack=st.booleans())
    def answer_one(self, data: st.DataObject, *, is_ack: bool) -> None:
        sent = data.draw(st.sampled_from(self.waiting))
        told = self.tracker.answered(sent.tag, multiple=False, is_ack=is_ack)
        self.expect([sent], told, is_ack=is_ack)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), is_ack=st.booleans())
    def answer_many(self, data: st.DataObject, *, is_ack: bool) -> None:
        tag = data.draw(st.integers(0, self.last_tag))
        meant = [it for it in self.waiting if tag == 0 or it.tag <= tag]
        told = self.tracker.answered(tag, multiple=True, is_ack=is_ack)
        self.expect(meant, told, is_ack=is_ack)

    @rule()
    def lose_the_channel(self) -> None:
        assert self.tracker.lost() == tuple(it.number for it in self.waiting)
        self.waiting.clear()
        self.last_tag = 0

    @invariant()
    def as_many_wait_as_the_model_says(self) -> None:
        assert len(self.tracker) == len(self.waiting)

    def expect(
        self, meant: list[Sent], told: tuple[tuple[int, Confirmation], ...], *, is_ack: bool
    ) -> None:
        answers = []
        for sent in meant:
            self.waiting.remove(sent)
            if not is_ack:
                answers.append((sent.number, Confirmation.REFUSED))
            elif sent.came_back:
                answers.append((sent.number, Confirmation.UNROUTABLE))
            else:
                answers.append((sent.number, Confirmation.CONFIRMED))
        assert told == tuple(answers)


TestAnyInterleaving = AnyInterleaving.TestCase
