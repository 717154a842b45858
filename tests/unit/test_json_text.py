"""Bytes from outside: data, or one clear reason why not; nothing else ever comes of them."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from unit.job_messages import json_values

from bridge.core.errors import InvalidRequestError
from bridge.wire.json_text import read_json

NAME_EXPECTED = "not JSON: Expecting property name enclosed in double quotes at line 1, column 2"
MANY = settings(max_examples=300, deadline=None)


def reason(body: bytes) -> str:
    """Why these bytes are refused; there is just one reason, and it is about the whole."""
    with pytest.raises(InvalidRequestError) as caught:
        read_json(body)
    (problem,) = caught.value.problems
    assert problem.where == ""
    assert caught.value.job_id is None
    return problem.what


def refusal(body: bytes) -> str | None:
    """Why these bytes are refused, None when they are not; any other error is a failure."""
    try:
        read_json(body)
    except InvalidRequestError as error:
        return str(error)
    return None


def test_json_is_read() -> None:
    body = b' {"a": [1, -2.5e3, true, null, "\\u00e9\xc3\xa9"]}\n'
    assert read_json(body) == {"a": [1, -2500.0, True, None, "\u00e9\u00e9"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON: Expecting value at line 1, column 1"),
        (b"{", NAME_EXPECTED),
        (b'{"a": 1}\n}', "not JSON: Extra data at line 2, column 1"),
        (b"{'a': 1}", NAME_EXPECTED),
        (b"\xff", "not UTF-8 text: byte 0 cannot be read"),
        (b'{"a": "\xc3"}', "not UTF-8 text: byte 7 cannot be read"),
        (b"\xef\xbb\xbf{}", "not JSON: it begins with a byte order mark; plain UTF-8 is wanted"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "the number '1e999' is too large"),
        (b"[-1e999]", "the number '-1e999' is too large"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice in one object"),
        (b'{"\\u0061": 1, "a": 3}', "the key 'a' stands twice in one object"),
        (b'"\\ud800"', "an escape such as \\ud800 alone is not a character"),
        (b'{"\\udc00": 1}', "an escape such as \\ud800 alone is not a character"),
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused_in_words(body: bytes, words: str) -> None:
    assert reason(body) == words


def test_a_pair_of_escapes_that_makes_one_character_is_accepted() -> None:
    assert read_json(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_a_message_of_a_mebibyte_is_read_and_a_longer_one_is_not() -> None:
    longest = b'"' + b"x" * (1024 * 1024 - 2) + b'"'
    assert read_json(longest) == "x" * (1024 * 1024 - 2)
    assert reason(longest + b" ") == ("the message has 1048577 bytes, at most 1048576 are accepted")


def test_64_levels_are_read_and_65_are_not() -> None:
    assert read_json(b"[" * 64 + b"]" * 64)
    assert read_json(b'{"a":' * 63 + b"[]" + b"}" * 63)
    words = "nested too deeply: more than 64 lists or objects in each other"
    assert reason(b"[" * 65 + b"]" * 65) == words
    assert reason(b'{"a":' * 65 + b"1" + b"}" * 65) == words


def test_nesting_of_any_depth_is_refused_and_breaks_nothing() -> None:
    assert reason(b"[" * 200_000 + b"]" * 200_000).startswith("nested too deeply")
    assert reason(b'{"":' * 200_000).startswith("nested too deeply")


def test_a_number_of_a_thousand_digits_is_read_and_a_longer_one_is_not() -> None:
    assert read_json(b"9" * 1000) == int("9" * 1000)
    assert reason(b"9" * 1001) == "a number has 1001 digits, at most 1000 are accepted"


def test_a_long_key_is_not_echoed_at_length() -> None:
    key = b'"' + b"k" * 10_000 + b'":1'
    assert len(reason(b"{" + key + b"," + key + b"}")) < 200
    assert len(reason(b"[" + b"9" * 900_000 + b".0]")) < 200


@given(st.binary(max_size=300))
@example(b"\x00")
@example(b'{"a":\x00}')
@example("\u2028".encode("utf-16"))
@MANY
def test_any_bytes_give_data_or_a_reason(body: bytes) -> None:
    words = refusal(body)
    assert words is None or 0 < len(words.encode("utf-8")) < 300


pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b":", b",", b"1", b"-", b".5", b"e9", b"true", b"null", b"NaN",
     b"\\u", b"d800", b"dc00", b'"a"', b"\\", b" ", b"\n", b"\xc3", b"\xa9", b"\xef\xbb\xbf"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30).map(b"".join))
@MANY
def test_broken_json_gives_data_or_a_reason(body: bytes) -> None:
    if refusal(body) is None:
        # What was accepted can be encoded again: nothing half-read goes on its way.
        assert json.dumps(read_json(body), ensure_ascii=False, allow_nan=False).encode("utf-8")


@given(json_values, st.booleans())
@MANY
def test_all_proper_json_is_read_as_it_was_written(value: object, ascii_only: bool) -> None:  # noqa: FBT001 (drawn)
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8")
    assert read_json(body) == value
