"""Why there is no connection, in words, and how long to wait before the next try."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from pika import exceptions

from bridge.core.policy import back_off
from bridge.core.settings import BrokerSettings

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)
STEADY = timedelta(seconds=10)
"""What stood for so long counts as a success."""

_REPLY_CODE = re.compile(r"ConnectionClosed\w*: \((\d{3})\)")
_DURING_LOGIN = (exceptions.ProbableAuthenticationError, exceptions.ProbableAccessDeniedError)
"""pika's guesses; only where the broker has said so itself they are more than that."""
_ACCESS_REFUSED = 403
_NOT_ALLOWED = 530


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a connection or channel is not there."""

    words: str
    lasting: bool = False
    """Only a person can mend it, so there is no use in coming back soon."""


class Retry:
    """Counts failures in a row."""

    def __init__(self, jitter: Callable[[], float], *, longest: timedelta = LONGEST_RETRY) -> None:
        """`jitter` gives random numbers in [0, 1)."""
        self._jitter = jitter
        self._longest = longest
        self._failures = 0

    def after(self, *, stood: timedelta, lasting: bool) -> timedelta:
        """How long to wait, now that what stood for so long has failed."""
        self._failures = 1 if stood >= STEADY else self._failures + 1
        first = self._longest if lasting else FIRST_RETRY
        return back_off(self._failures, first=first, longest=self._longest, jitter=self._jitter())


def explain(error: BaseException, settings: BrokerSettings) -> Failure:
    """What went wrong, in words that name no credentials."""
    server = f"{settings.host}:{settings.port}"
    cause = list(_causes(error))[-1]
    told = _REPLY_CODE.search(repr(cause))
    code = int(told[1]) if told else None
    if code == _ACCESS_REFUSED and isinstance(cause, exceptions.ProbableAuthenticationError):
        words = f"{server} refuses user {settings.user!r}: unknown user or wrong password"
        return Failure(words=words, lasting=True)
    if code in {_ACCESS_REFUSED, _NOT_ALLOWED} and isinstance(
        cause, exceptions.ProbableAccessDeniedError
    ):
        words = (
            f"{server} refuses user {settings.user!r} the virtual host "
            f"{settings.virtual_host!r}: it is missing, or not the user's: {_text(cause)}"
        )
        return Failure(words=words, lasting=True)
    if isinstance(cause, _DURING_LOGIN):
        return Failure(words=f"{server}: the connection was lost during log-in: {_text(cause)}")
    return Failure(words=f"{server}: {_text(cause)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps, outermost first; pika wraps in three ways."""
    yield error
    inner = (*error.args, getattr(error, "exception", None), *getattr(error, "exceptions", ()))
    for it in inner:
        if isinstance(it, BaseException):
            yield from _causes(it)


def _text(cause: BaseException) -> str:
    if isinstance(cause, exceptions.ConnectionClosed | exceptions.ChannelClosed):
        return f"{cause.reply_code} {cause.reply_text}"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause) or type(cause).__name__
    return " ".join(str(it) for it in cause.args) or type(cause).__name__
