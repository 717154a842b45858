"""The markers of a job's script: each is read as it was written, and nothing else is one."""

from datetime import UTC, datetime

import pytest

from bridge.core.facts import EndMark, HindranceMark, PullMark, ScriptMark, StartMark
from bridge.core.failure import Hindrance
from bridge.core.job import JobId
from bridge.wire.mark import mark_text, read_mark
from bridge.wire.remains import mark_name

JOB = JobId("6f1e0b1c-7c1d-4b68-9c3e-0a8f6d1f2a3b")
AT = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
WHEN = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "text", "mark"),
    [
        (
            "pulling",
            "1772366400.250000 n1\n",
            PullMark(at=AT, restart=3, pulling_since=WHEN, node="n1"),
        ),
        (
            "started",
            "1772366400.250000 n1\n",
            StartMark(at=AT, restart=3, started_at=WHEN, node="n1"),
        ),
        (
            "ended",
            "1772366400.250000 137\n",
            EndMark(at=AT, restart=3, ended_at=WHEN, exit_code=137),
        ),
        (
            "hindered",
            "1772366400.250000 secret\n",
            HindranceMark(at=AT, restart=3, ended_at=WHEN, hindrance=Hindrance.SECRET),
        ),
        (
            "hindered",
            "1772366400.250000 mount\n",
            HindranceMark(at=AT, restart=3, ended_at=WHEN, hindrance=Hindrance.MOUNT),
        ),
        (
            "hindered",
            "1772366400.250000 mount 12\n",
            HindranceMark(at=AT, restart=3, ended_at=WHEN, hindrance=Hindrance.MOUNT, mount=12),
        ),
    ],
)
def test_a_marker_is_read_as_it_was_written(word: str, text: str, mark: ScriptMark) -> None:
    name = f"{JOB}.2.3.{word}"
    assert read_mark(name, text, at=AT) == (JOB, 2, mark)
    assert (mark_name(JOB, 2, mark), mark_text(mark)) == (name, text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("hindered", "1772366400 boredom\n"),
        ("hindered", "1772366400\n"),
        ("hindered", "1772366400 mount /etc/shadow\n"),
        ("hindered", "1772366400 mount 1 2\n"),
        ("hindered", "1772366400 mount -1\n"),
        ("hindered", "1772366400 secret 1\n"),
        ("hindered", "1772366400 no-image /images/other.sif\n"),
        ("pulling", "1772366400 n1"),
        ("pulling", "1772366400 n 1\n"),
        ("paused", "1772366400 n1\n"),
    ],
)
def test_what_no_script_of_ours_writes_is_no_marker(word: str, text: str) -> None:
    assert read_mark(f"{JOB}.2.3.{word}", text, at=AT) is None
