"""Why a job waits, for people."""

import pytest

from bridge.core.pending import IN_WORDS, in_words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, None),
        ("Priority", "other jobs come first (Priority)"),
        ("Resources", "it is next, and waits for nodes to become free (Resources)"),
        (
            "ReqNodeNotAvail, Reserved for maintenance",
            (
                "a node that it needs is not available, perhaps for maintenance "
                "(ReqNodeNotAvail, Reserved for maintenance)"
            ),
        ),
        (
            "ReqNodeNotAvail, UnavailableNodes:n[1-4]",
            (
                "a node that it needs is not available, perhaps for maintenance "
                "(ReqNodeNotAvail, UnavailableNodes:n[1-4])"
            ),
        ),
        (
            "launch failed requeued held",
            (
                "it could not be launched and is held, until it is released "
                "(launch failed requeued held)"
            ),
        ),
        (
            "launch_failed_requeued_held",
            (
                "it could not be launched and is held, until it is released "
                "(launch_failed_requeued_held)"
            ),
        ),
    ],
)
def test_slurms_reason_is_told_in_plain_words_with_its_own_behind_them(
    reason: str | None, words: str | None
) -> None:
    assert in_words(reason) == words


@pytest.mark.parametrize("reason", ["ReasonToCome", "", "priority", "Priority2", "a_b, c"])
def test_a_reason_that_is_not_known_is_told_as_it_is(reason: str) -> None:
    assert in_words(reason) == reason


def test_the_words_are_such_as_can_follow_in_a_sentence() -> None:
    for reason, words in IN_WORDS.items():
        assert words == words.strip()
        assert words[0].islower()
        assert not words.endswith(".")
        assert "," not in reason
        assert reason not in words
