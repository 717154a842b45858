"""Bytes from outside to JSON data, with everything refused that JSON leaves open."""

import json
from typing import NoReturn

from bridge.core.errors import InvalidRequestError, Problem

LONGEST_BYTES = 1024 * 1024


def read_json(body: bytes) -> object:
    """The data in a message: UTF-8 JSON, no NaN, no key twice, at most LONGEST_BYTES.

    Raises InvalidRequestError.
    """
    if len(body) > LONGEST_BYTES:
        raise _invalid(f"the message has {len(body)} bytes, at most {LONGEST_BYTES} are accepted")
    try:
        data: object = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
        if rb"\u" in body:
            # JSON can escape half a surrogate pair, which is no character and cannot be encoded.
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _invalid("an escape such as \\ud800 alone is not a character") from None
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 text: byte {error.start} cannot be read") from None
    except json.JSONDecodeError as error:
        raise _invalid(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise _invalid("nested too deeply") from None
    except ValueError as error:
        # Python refuses to read integers of thousands of digits.
        raise _invalid(f"not acceptable JSON: {error}") from None
    else:
        return data


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _invalid(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _no_constant(word: str) -> NoReturn:
    raise _invalid(f"{word} is not JSON")


def _invalid(what: str) -> InvalidRequestError:
    return InvalidRequestError(Problem(where="", what=what))
