"""Acks and nacks, against a model of what a broker does with them."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.rabbitmq.settlements import SettlementFrame, Unsettled
from bridge.ports import Settlement


def deliveries(count: int) -> Unsettled:
    unsettled = Unsettled()
    for tag in range(1, count + 1):
        unsettled.delivered(tag)
    return unsettled


def ack(tag: int, *, multiple: bool = False) -> SettlementFrame:
    return SettlementFrame(tag=tag, settlement=Settlement.ACK, multiple=multiple)


def dead_letter(tag: int) -> SettlementFrame:
    return SettlementFrame(tag=tag, settlement=Settlement.DEAD_LETTER)


def test_one_ack_stands_for_all_that_are_oldest() -> None:
    assert deliveries(5).settle(ack=[3, 1, 2], dead_letter=[]) == (ack(3, multiple=True),)


def test_a_gap_keeps_acks_apart() -> None:
    frames = deliveries(5).settle(ack=[1, 3, 4], dead_letter=[])
    assert frames == (ack(1), ack(3), ack(4))


def test_what_is_refused_goes_first_so_that_it_is_no_gap() -> None:
    frames = deliveries(4).settle(ack=[1, 3, 4], dead_letter=[2])
    assert frames == (dead_letter(2), ack(4, multiple=True))


def test_nothing_is_settled_twice() -> None:
    unsettled = deliveries(2)
    assert unsettled.settle(ack=[1], dead_letter=[]) == (ack(1),)
    assert unsettled.settle(ack=[1], dead_letter=[1]) == ()
    assert len(unsettled) == 1


def test_what_was_never_delivered_is_left_out() -> None:
    assert deliveries(2).settle(ack=[9], dead_letter=[8]) == ()


Wishes = st.lists(
    st.dictionaries(st.integers(1, 30), st.sampled_from(Settlement), max_size=12), max_size=8
)


@given(count=st.integers(0, 25), batches=Wishes)
def test_a_broker_settles_exactly_what_was_asked_for(
    count: int, batches: list[dict[int, Settlement]]
) -> None:
    unsettled = deliveries(count)
    at_broker = set(range(1, count + 1))
    for batch in batches:
        expected = {tag: how for tag, how in batch.items() if tag in at_broker}
        frames = unsettled.settle(
            ack=[tag for tag, how in batch.items() if how is Settlement.ACK],
            dead_letter=[tag for tag, how in batch.items() if how is Settlement.DEAD_LETTER],
        )
        done: dict[int, Settlement] = {}
        for frame in frames:
            assert frame.tag in at_broker, "a broker closes the channel for an unknown tag"
            meant = {it for it in at_broker if it <= frame.tag} if frame.multiple else {frame.tag}
            done |= dict.fromkeys(meant, frame.settlement)
            at_broker -= meant
        assert done == expected
        assert len(unsettled) == len(at_broker)
