"""Times and sizes as the pages say them, and the end of an output."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.core.user_state import UserState
from bridge.dashboard import words
from bridge.dashboard.output import tail_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (4859, "1 h 20 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_length_of_time_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "now"),
        (0.5, "now"),
        (5, "5 s ago"),
        (90, "1 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
        (8 * 86_400, "2026-02-21"),
    ],
)
def test_a_time_is_said_by_how_long_ago_it_was(seconds: float, said: str) -> None:
    assert words.ago(NOON - timedelta(seconds=seconds), NOON) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (4096, "4.1 kB"), (2_000_000, "2.0 MB"), (3 * 10**12, "3.0 TB")],
)
def test_a_size_is_said_in_the_unit_that_fits(count: int, said: str) -> None:
    assert words.size(count) == said


def test_every_state_has_words() -> None:
    assert set(words.STATES) == set(UserState)


def test_the_end_of_an_output_begins_with_a_whole_line() -> None:
    tail = tail_of(b"of a line\nepoch 2\nepoch 3\n", 100)
    assert tail.text == "epoch 2\nepoch 3\n"
    assert tail.left_out == 110


def test_an_output_from_its_start_is_shown_whole() -> None:
    tail = tail_of(b"epoch 1\nepoch", 0)
    assert (tail.text, tail.left_out) == ("epoch 1\nepoch", 0)


def test_a_progress_bar_is_shown_as_it_was_in_the_end() -> None:
    assert tail_of(b"10%\r50%\r100%\r\ndone\r\n", 0).text == "100%\ndone\n"


def test_colours_controls_and_broken_characters_do_no_harm() -> None:
    tail = tail_of(b"\x1b[1;31mred\x1b[0m\x07 \xff\x00 \x1b]0;title\x07caf\xc3\xa9\n", 0)
    assert tail.text == "red \N{REPLACEMENT CHARACTER} caf\N{LATIN SMALL LETTER E WITH ACUTE}\n"
