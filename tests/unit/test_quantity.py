"""Times and sizes as people and Slurm write them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.quantity import read_memory_mib, read_walltime, write_walltime

MANY = settings(max_examples=200, deadline=None)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("00:00:01", timedelta(seconds=1)),
        ("01:30:00", timedelta(minutes=90)),
        ("1:30:00", timedelta(minutes=90)),
        ("48:00:00", timedelta(days=2)),
        ("2-00:00:00", timedelta(days=2)),
        ("0-12:00:00", timedelta(hours=12)),
        ("1-24:00:00", timedelta(days=2)),
        ("999-23:59:59", timedelta(days=999, hours=23, minutes=59, seconds=59)),
    ],
)
def test_a_time_is_read_as_slurm_reads_it(text: str, time: timedelta) -> None:
    assert read_walltime(text) == time


@pytest.mark.parametrize(
    "text",
    ["", "60", "10:30", "1-2", "1-10:30", "00:60:00", "00:00:60", "-1:00:00", "01:00:00 ",
     "01:00:00\n", "1h", "\u0661\u0661:00:00", "UNLIMITED", "1-1-00:00:00", "01:0:00"],
)  # fmt: skip
def test_a_time_that_slurm_and_people_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a time as HH:MM:SS or D-HH:MM:SS is wanted"):
        read_walltime(text)


@pytest.mark.parametrize("text", ["00:00:00", "0-00:00:00"])
def test_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a time above zero is wanted$"):
        read_walltime(text)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(seconds=1), "00:00:01"),
        (timedelta(minutes=90), "01:30:00"),
        (timedelta(hours=23, minutes=59, seconds=59), "23:59:59"),
        (timedelta(days=1), "1-00:00:00"),
        (timedelta(days=10, hours=2, minutes=3, seconds=4), "10-02:03:04"),
        (timedelta(microseconds=1), "00:00:01"),
        (timedelta(seconds=59, milliseconds=1), "00:01:00"),
    ],
)
def test_a_time_is_written_as_slurm_reads_it(time: timedelta, text: str) -> None:
    assert write_walltime(time) == text


@given(st.integers(1, 999 * 24 * 3600).map(lambda it: timedelta(seconds=it)))
@MANY
def test_a_time_that_was_written_reads_as_it_was(time: timedelta) -> None:
    assert read_walltime(write_walltime(time)) == time


@pytest.mark.parametrize(
    ("text", "mib"),
    [("1M", 1), ("512M", 512), ("1G", 1024), ("16G", 16384), ("2T", 2097152), ("007G", 7168)],
)
def test_a_size_is_read_in_mebibytes(text: str, mib: int) -> None:
    assert read_memory_mib(text) == mib


@pytest.mark.parametrize(
    "text",
    ["", "0M", "0G", "16", "16GB", "16g", "1.5G", "-1G", " 1G", "1G\n", "1K", "\u0661G", "G"],
)
def test_a_size_without_a_plain_number_and_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a size such as 512M, 16G or 1T is wanted$"):
        read_memory_mib(text)
