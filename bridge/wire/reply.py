"""The one reply that MLExchange front ends wait for, in the form they know.

Its words for states are those that their pages show (bridge.core.user_state).
"""

import hashlib
import json
from collections.abc import Sequence

from bridge.core.errors import Problem
from bridge.core.job import ReplyTo
from bridge.core.lifecycle import Event
from bridge.core.user_state import UserState, user_state
from bridge.wire.event import Message


def encode_reply(event: Event, reply_to: ReplyTo, *, site: str, logs: str) -> Message:
    """The reply that tells a job's end; `logs` is what it has written."""
    job = event.job
    state = user_state(event.kind, job.phase, has_started=job.started_at is not None)
    reason = None if event.reason is None else event.reason.value
    said = {
        "job_type": reply_to.job_type,
        "job_status": state.value,
        "logs": logs,
        "job_id": job.job_id,
        "reason": event.detail or reason,
    }
    return _message(f"reply/{job.job_id}", said, reply_to, site)


def encode_refusal(
    reply_to: ReplyTo, problems: Sequence[Problem], *, site: str, body: bytes
) -> Message:
    """The reply that tells why `body` is no job; the same id for the same bytes and asker."""
    reason = "; ".join(map(str, problems))
    said = {
        "job_type": reply_to.job_type,
        "job_status": UserState.FAILED.value,
        "logs": "",
        "job_id": None,
        "reason": f"rejected: {reason}",
    }
    asked = b"\0".join((reply_to.queue.encode(), (reply_to.correlation_id or "").encode(), body))
    digest = hashlib.sha256(asked).hexdigest()[:32]
    return _message(f"reply/rejected/{site}/{digest}", said, reply_to, site)


def _message(event_id: str, said: object, reply_to: ReplyTo, site: str) -> Message:
    return Message(
        event_id=event_id,
        routing_key=f"{site}.reply",
        body=json.dumps(said).encode(),
        reply_to=reply_to.queue,
        correlation_id=reply_to.correlation_id,
    )
