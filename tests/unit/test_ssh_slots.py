"""How many channels are open at once, and what is learnt from refusals."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from bridge.adapters.ssh.slots import Slots

PATIENCE = 30


class Channel:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def soon() -> float:
    return monotonic() + PATIENCE


def now() -> float:
    return monotonic()


def open_one(slots: Slots[Channel]) -> None:
    assert slots.take(soon())
    slots.opened()


def test_no_more_are_taken_than_there_are() -> None:
    slots: Slots[Channel] = Slots(2)
    open_one(slots)
    open_one(slots)
    assert not slots.take(now())
    slots.closed()
    assert slots.take(now())


def test_who_waits_gets_the_next_one() -> None:
    slots: Slots[Channel] = Slots(1)
    open_one(slots)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(slots.take, soon())
        slots.closed()
        assert waits.result(PATIENCE)


def test_an_idle_channel_is_used_again_with_its_slot() -> None:
    slots: Slots[Channel] = Slots(1)
    open_one(slots)
    channel = Channel()
    slots.keep(channel)
    assert slots.take_idle(lambda it: not it.is_closed) is channel
    assert slots.take_idle(lambda it: not it.is_closed) is None
    assert not slots.take(now())


def test_an_idle_channel_that_is_of_no_use_gives_its_slot_back() -> None:
    slots: Slots[Channel] = Slots(1)
    open_one(slots)
    channel = Channel()
    slots.keep(channel)
    assert slots.take_idle(lambda _: False) is None
    assert channel.is_closed
    assert slots.take(now())


def test_an_idle_channel_makes_way_when_all_slots_are_taken() -> None:
    slots: Slots[Channel] = Slots(1)
    open_one(slots)
    channel = Channel()
    slots.keep(channel)
    assert slots.take(now())
    assert channel.is_closed
    assert not slots.take(now())


def test_an_idle_channel_makes_way_when_the_server_refuses_another() -> None:
    slots: Slots[Channel] = Slots(8)
    open_one(slots)
    channel = Channel()
    slots.keep(channel)
    assert slots.take(now())
    assert not slots.refused()
    assert channel.is_closed


def test_after_refusals_no_more_are_taken_than_the_server_let_be_open() -> None:
    slots: Slots[Channel] = Slots(8)
    open_one(slots)
    open_one(slots)
    assert [slots.take(now()) for _ in range(3)] == [True] * 3
    for _ in range(3):
        assert slots.refused()
        slots.learn()
    assert not slots.take(now())
    slots.closed()
    assert slots.take(now())
    assert not slots.take(now())


def test_one_may_always_be_tried() -> None:
    slots: Slots[Channel] = Slots(8)
    assert slots.take(now())
    assert not slots.refused()
    slots.learn()
    assert slots.take(now())
    slots.give_up()
    assert slots.take(now())
    assert not slots.take(now())
