"""How much of what followed jobs write is told at a time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.house import job_id

from bridge.core.follow import Follow, after, growth, has_ended, shares
from bridge.core.job_file import parts_of

FOLLOW = Follow(job_id=job_id(1), until=timedelta(hours=1), told=(10, 0))


@pytest.mark.parametrize(
    ("told", "size", "grown"), [(10, 25, 15), (10, 10, 0), (0, None, 0), (10, 4, 0)]
)
def test_what_is_to_be_told_is_what_came_since(told: int, size: int | None, grown: int) -> None:
    assert growth(told, size) == grown


def test_who_wants_little_gets_it_all_and_the_others_share_what_is_left() -> None:
    assert shares([900, 5, 900, 0], budget=105, most=1000) == (50, 5, 50, 0)


def test_nobody_gets_more_than_goes_into_a_message() -> None:
    assert shares([900, 30], budget=1000, most=100) == (100, 30)


def test_of_nothing_nothing_is_told() -> None:
    assert shares([], budget=100, most=10) == ()


@given(st.lists(st.integers(0, 1000), max_size=20), st.integers(0, 3000), st.integers(0, 500))
def test_no_share_breaks_a_bound_and_no_byte_of_the_budget_is_left_that_somebody_wants(
    wanted: list[int], budget: int, most: int
) -> None:
    given_out = shares(wanted, budget=budget, most=most)
    assert sum(given_out) <= budget
    assert all(got <= min(want, most) for got, want in zip(given_out, wanted, strict=True))
    if sum(min(it, most) for it in wanted) <= budget:
        assert given_out == tuple(min(it, most) for it in wanted)


def test_an_output_ends_one_quiet_look_after_the_job() -> None:
    once_over = after(FOLLOW, [5, 0], is_over=True)
    assert once_over.told == (15, 0)
    assert not has_ended(FOLLOW, is_over=True, grows=False)
    assert not has_ended(once_over, is_over=True, grows=True)
    assert has_ended(once_over, is_over=True, grows=False)
    assert not has_ended(once_over, is_over=False, grows=False)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("stdout", ("stdout",)),
        ("artifacts/plots/loss curve.png", ("artifacts", "plots", "loss curve.png")),
        ("artifacts/...", ("artifacts", "...")),
        ("artifacts/Grüße", ("artifacts", "Grüße")),
    ],
)
def test_a_path_below_the_jobs_folder_is_taken_apart(name: str, parts: tuple[str, ...]) -> None:
    assert parts_of(name) == parts


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/", "/etc/passwd", "a/../b", "../a", "a//b", "a/", "./a", "a/."),
        *("a\0b", "a" * 256, "ü" * 128, "a/" * 2500 + "a", "\ud800"),
    ],
)
def test_what_may_lead_elsewhere_is_no_path(name: str) -> None:
    assert parts_of(name) is None
