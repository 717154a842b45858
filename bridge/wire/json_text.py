"""Bytes from outside to JSON data, with everything refused that JSON leaves open."""

import json
import math
from typing import NoReturn

from bridge.core.errors import InvalidRequestError, Problem
from bridge.core.wanted import echo

LONGEST_BYTES = 1024 * 1024
DEEPEST_LEVELS = 64
MOST_DIGITS = 1000


def read_json(body: bytes) -> object:
    """The data in a message: UTF-8 JSON, no NaN, no key twice, no number out of range.

    At most LONGEST_BYTES, and lists and objects at most DEEPEST_LEVELS in each other.
    Raises InvalidRequestError.
    """
    if len(body) > LONGEST_BYTES:
        raise _invalid(f"the message has {len(body)} bytes, at most {LONGEST_BYTES} are accepted")
    try:
        data: object = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_int=_whole_number,
            parse_float=_finite_number,
        )
        _refuse_depth(data)
        if rb"\u" in body:
            # JSON can escape half a surrogate pair, which is no character and cannot be encoded.
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _invalid("an escape such as \\ud800 alone is not a character") from None
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 text: byte {error.start} cannot be read") from None
    except json.JSONDecodeError as error:
        raise _invalid(f"not JSON: {_words(error)}") from None
    except RecursionError:
        raise _too_deep() from None
    else:
        return data


def _words(error: json.JSONDecodeError) -> str:
    if error.doc.startswith("\ufeff"):
        return "it begins with a byte order mark; plain UTF-8 is wanted"
    return f"{error.msg} at line {error.lineno}, column {error.colno}"


def _refuse_depth(data: object) -> None:
    level: list[object] = [data]
    for _ in range(DEEPEST_LEVELS):
        level = [inner for it in level for inner in _inside(it)]
        if not level:
            return
    raise _too_deep()


def _inside(data: object) -> list[object]:
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [it for it in inner if isinstance(it, dict | list)]


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _invalid(f"the key {echo(key)} stands twice in one object")
        found[key] = value
    return found


def _no_constant(word: str) -> NoReturn:
    raise _invalid(f"{word} is not JSON")


def _whole_number(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise _invalid(f"a number has {len(text)} digits, at most {MOST_DIGITS} are accepted")
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _invalid(f"the number {echo(text)} is too large")
    return number


def _too_deep() -> InvalidRequestError:
    return _invalid(f"nested too deeply: more than {DEEPEST_LEVELS} lists or objects in each other")


def _invalid(what: str) -> InvalidRequestError:
    return InvalidRequestError(Problem(where="", what=what))
