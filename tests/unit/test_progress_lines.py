"""The lines in which a job says how far it has come, and the list of what it leaves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.artifacts import ArtifactFile
from bridge.core.progress import KNOWN, Bookmark, Point, anew, passed, resume, unread
from bridge.wire.listing import listing_name, read_listing
from bridge.wire.progress import LONGEST_LINE, MOST_POINTS, read_lines

SUM = "a" * 64


def test_a_line_is_a_point() -> None:
    line = b'{"step": 3, "total": 10, "metrics": {"loss": 0.25, "lr": 1}, "message": "warm"}\n'
    lines = read_lines(line, is_all=False)
    assert lines.points == (
        Point(step=3, total=10, metrics=(("loss", 0.25), ("lr", 1)), message="warm"),
    )
    assert (lines.used, lines.skipped) == (len(line), 0)


def test_a_line_needs_no_more_than_a_step() -> None:
    assert read_lines(b'{"step": 1.5}\n', is_all=False).points == (Point(step=1.5),)


def test_a_line_without_its_end_waits_for_it_unless_nothing_more_comes() -> None:
    data = b'{"step": 1}\n{"step": 2}'
    lines = read_lines(data, is_all=False)
    assert (len(lines.points), lines.used, lines.skipped) == (1, 12, 0)
    lines = read_lines(data, is_all=True)
    assert (len(lines.points), lines.used, lines.skipped) == (2, len(data), 0)


@pytest.mark.parametrize(
    "line",
    [
        *(b"loss 0.5", b"{", b'{"step": 1', b"[1]", b"1", b"null", b"{}", b'{"step": "1"}'),
        *(b'{"step": true}', b'{"step": NaN}', b'{"step": 1, "metrics": [1]}', b"\xff\xfe"),
        b"[" * 5000,
        b'{"step": 1, "message": "' + b"x" * LONGEST_LINE + b'"}',
        b'{"step": 1e999}',
        b'{"step": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_line_that_is_none_of_ours_is_skipped_and_counted(line: bytes) -> None:
    lines = read_lines(b'{"step": 1}\n' + line + b'\n{"step": 2}\n', is_all=False)
    assert [it.step for it in lines.points] == [1, 2]
    assert lines.skipped == 1


def test_an_empty_line_is_nothing() -> None:
    lines = read_lines(b'\n \r\n{"step": 1}\r\n', is_all=False)
    assert (len(lines.points), lines.skipped) == (1, 0)


def test_a_line_that_does_not_end_is_given_up() -> None:
    data = b"x" * (LONGEST_LINE + 1)
    lines = read_lines(data, is_all=False)
    assert (lines.used, lines.skipped) == (len(data), 1)


def test_a_loss_that_is_no_number_any_more_is_null() -> None:
    said = b'{"step": 1, "metrics": {"a": NaN, "b": -Infinity, "c": null, "d": "x", "e": 1e999}}\n'
    (point,) = read_lines(said, is_all=False).points
    assert point.metrics == (("a", None), ("b", None), ("c", None), ("d", None), ("e", None))


def test_what_cannot_be_encoded_is_left_out() -> None:
    said = rb'{"step": 1, "metrics": {"\ud800": 1, "loss": 2}, "message": "\udfff"}' + b"\n"
    (point,) = read_lines(said, is_all=False).points
    assert (point.metrics, point.message) == ((("loss", 2),), None)


def test_an_event_has_only_so_many_points_and_the_next_one_goes_on() -> None:
    data = b"".join(b'{"step": %d}\n' % it for it in range(MOST_POINTS + 5))
    first = read_lines(data, is_all=True)
    rest = read_lines(data[first.used :], is_all=True)
    assert [it.step for it in (*first.points, *rest.points)] == list(range(MOST_POINTS + 5))
    assert len(first.points) == MOST_POINTS


@given(st.binary(max_size=300), st.booleans())
def test_nothing_that_a_job_writes_stops_the_reading(data: bytes, is_all: bool) -> None:  # noqa: FBT001
    lines = read_lines(data, is_all=is_all)
    assert 0 <= lines.used <= len(data)
    assert is_all is False or lines.used == len(data)
    json.dumps([dict(it.metrics) for it in lines.points], allow_nan=False).encode()


# --- where to go on in a file


def test_a_place_is_known_by_what_stands_before_it() -> None:
    place = passed(Bookmark(), b"x" * 100 + b"abc", events=1)
    assert (place.number, place.read_to, len(place.known)) == (1, 103, KNOWN)
    assert place.start == 103 - KNOWN
    assert unread(place, place.known + b"new") == b"new"
    assert unread(place, b"y" * KNOWN + b"new") is None
    assert resume(place, 103) == place
    assert resume(place, 102) == anew(place) == Bookmark(number=1)


# --- what a job leaves


def record(size: object = 5, digest: str = SUM, name: str | bytes = "model.pt") -> bytes:
    text = name if isinstance(name, bytes) else name.encode()
    return f"{size} {digest} ".encode() + text + b"\0"


def test_a_list_has_each_file_with_its_size_and_its_sum() -> None:
    found = read_listing(record() + record(10**12, "-", "plots/a b\n.png") + b"total 7\0")
    assert found is not None
    assert found.files == (
        ArtifactFile(name="model.pt", size=5, sha256=SUM),
        ArtifactFile(name="plots/a b\n.png", size=10**12, sha256=None),
    )
    assert found.total == 7


def test_a_job_that_leaves_nothing_has_an_empty_list() -> None:
    found = read_listing(b"total 0\0")
    assert found is not None
    assert (found.files, found.total) == ((), 0)


def test_a_name_that_is_no_text_or_leads_elsewhere_counts_and_is_not_told() -> None:
    found = read_listing(record(name=b"\xff") + record(name="../x") + record() + b"total 3\0")
    assert found is not None
    assert ([it.name for it in found.files], found.total) == (["model.pt"], 3)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\0", b"total 1", b"total x\0", b"words\0total 1\0", record(), b"total 1\0more"),
        *(record("x") + b"total 1\0", record(digest="b" * 63) + b"total 1\0"),
        *(record(9**40) + b"total 1\0", record(name="") + b"total 1\0"),
    ],
)
def test_what_is_no_list_is_not_believed(data: bytes) -> None:
    assert read_listing(data) is None


def test_no_list_is_longer_than_it_may_be() -> None:
    found = read_listing(record() * 5000 + b"total 5000\0")
    assert found is not None
    assert (len(found.files), found.total) == (200, 5000)


def test_each_run_has_a_list_of_its_own() -> None:
    assert listing_name(2, 1) == "attempt-2.1.artifacts"
