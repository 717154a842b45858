"""Errors: what somebody reads of them, and which act follows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.core.errors import (
    BridgeError,
    ConfigurationError,
    InvalidRequestError,
    Problem,
    SiteFullError,
    SubmissionRefusedError,
    SubmissionUncertainError,
    UnavailableError,
)
from bridge.core.wanted import echo
from bridge.wire.problems import problems_of

NAME = Problem(where="name", what="missing, and required")
WHOLE = Problem(where="", what="not JSON")


def test_a_problem_reads_as_its_place_and_what_is_wrong_there() -> None:
    assert str(NAME) == "name: missing, and required"
    assert str(WHOLE) == "not JSON"


def test_an_invalid_request_tells_every_reason_in_one_line() -> None:
    error = InvalidRequestError(NAME, WHOLE, job_id="7")
    assert str(error) == "name: missing, and required; not JSON"
    assert error.problems == (NAME, WHOLE)
    assert error.job_id == "7"
    assert InvalidRequestError(NAME).job_id is None


def test_a_configuration_error_tells_every_problem_in_a_line_of_its_own() -> None:
    error = ConfigurationError(NAME, WHOLE)
    assert str(error) == "name: missing, and required\nnot JSON"
    assert error.problems == (NAME, WHOLE)


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequestError,
        ConfigurationError,
        SubmissionRefusedError,
        SubmissionUncertainError,
        UnavailableError,
        SiteFullError,
    ],
)
def test_every_error_on_purpose_is_a_bridge_error(error: type[Exception]) -> None:
    assert issubclass(error, BridgeError)


def test_a_full_site_can_be_met_like_any_that_cannot_be_asked() -> None:
    assert issubclass(SiteFullError, UnavailableError)


def test_an_uncertain_submission_is_neither_refused_nor_harmless() -> None:
    assert not issubclass(SubmissionUncertainError, UnavailableError | SubmissionRefusedError)


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    word: str = Field(default="a", pattern="^[a-z]$")
    pair: list[int] = Field(default=[1, 2], min_length=2, max_length=2)


def found_in(data: object, **words: dict[str, str]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Person.model_validate(data)
    return [str(it) for it in problems_of(caught.value, **words)]


def test_a_pattern_without_words_of_its_own_is_told_as_it_is() -> None:
    data = {"name": "a", "word": "1"}
    assert found_in(data) == ["word: String should match pattern '^[a-z]$' (found '1')"]
    assert found_in(data, patterns={"^[a-z]$": "one small letter is wanted"}) == [
        "word: one small letter is wanted (found '1')"
    ]


def test_the_length_of_a_list_is_told_as_a_number() -> None:
    assert found_in({"name": "a", "pair": [1]}) == ["pair: at least 2 wanted (found [1])"]
    assert found_in({"name": "a", "pair": [1, 2, 3]}) == [
        "pair: at most 2 accepted (found [1, 2, 3])"
    ]


def test_twenty_problems_are_told_and_a_further_one_is_counted() -> None:
    twenty = {"name": "a"} | {f"x{it}": 1 for it in range(20)}
    assert len(found_in(twenty)) == 20
    assert found_in(twenty | {"y": 1})[20:] == ["and 1 more problems"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        ("", "''"),
        ("a\n\x1b[31m", "'a\\n\\x1b[31m'"),
        ("x" * 78, "'" + "x" * 78 + "'"),
        ("x" * 79, "'" + "x" * 79 + "..."),
        ([1, "a"], "[1, 'a']"),
    ],
)
def test_what_was_found_is_shown_so_and_cut_where_it_is_long(value: object, shown: str) -> None:
    assert echo(value) == shown


@given(st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.integers()))
@settings(max_examples=200, deadline=None)
def test_what_is_shown_is_short_and_harms_no_terminal(value: object) -> None:
    shown = echo(value)
    assert len(shown) <= 83
    assert shown.isprintable()
