"""What the pages work with: made anew in each worker, the same in all."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.client import Bridge, LogRange
from bridge.client.board import Board, BoardJob, JobFilter, JobSort
from bridge.core.errors import BridgeError, InvalidRequestError, Problem
from bridge.core.user_state import UserState
from bridge.dashboard.examples import Example
from bridge.dashboard.view import folder_of
from bridge.wire.limits import SiteLimits
from bridge.wire.request import read_message

HEARING_LASTS = timedelta(seconds=20)
"""After so long without a word of whoever keeps the board, nobody hears the bridges any more."""
_TRAININGS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The board to read, the bridge to ask and send to, and what forms may begin with.

    Every method raises UnavailableError where board or broker do not answer, unless it says
    otherwise.
    """

    board: Board
    bridge: Bridge
    examples: tuple[Example, ...]
    now: Callable[[], datetime]

    def sites(self) -> list[str]:
        """The sites that can be sent to, by name; for a new board, those that are there now."""
        known = {it.name for it in self.board.sites()}
        if not known:
            with suppress(BridgeError):
                known = {it.site for it in self.bridge.sites()}
        return sorted(known)

    def limits(self, site: str) -> SiteLimits | None:
        """What the site allows, for a new board as it says now; None: not known. Raises nothing."""
        with suppress(BridgeError):
            known = next((it.limits for it in self.board.sites() if it.name == site), None)
            return known or self.bridge.limits(site)
        return None

    def is_hearing(self) -> bool:
        """Whether a bridge that is there would be known to be there."""
        until = self.board.heard_until()
        return until is not None and self.now() - until <= HEARING_LASTS

    def problems(self, job: Mapping[str, Any], job_id: str) -> tuple[Problem, ...]:
        """What is wrong with a job wherever it is sent. Raises nothing."""
        try:
            read_message(_message(job, job_id), site="")
        except InvalidRequestError as error:
            return error.problems
        return ()

    def submit(self, site: str, job: Mapping[str, Any], job_id: str) -> None:
        """Send the job; returns when the broker has it. Raises InvalidRequestError too."""
        self.bridge.submit(site, {**job, "job_id": job_id})

    def trained(self) -> dict[str, str]:
        """The folders that trainings have left at their sites, the newest first, with titles."""
        wanted = JobFilter(kinds=("training",), states=(UserState.COMPLETE,))
        page = self.board.jobs(wanted, sort=JobSort.ENDED, size=_TRAININGS)
        return {
            f"{folder_of(job)}/artifacts": f"{job.name}, {job.ended_at:%Y-%m-%d %H:%M} UTC"
            for job in page.jobs
            if folder_of(job)
        }

    def request(self, job: BoardJob) -> Mapping[str, Any]:
        """The job message as the site has it."""
        request: Mapping[str, Any] = json.loads(self.bridge.request(job.site, job.job_id))
        return request

    def tail(self, job: BoardJob, stream: str, length: int) -> LogRange:
        """The last bytes of a job's output, with their place and the size of it all."""
        whole = self.bridge.logs(job.site, job.job_id, stream, start=0, length=length)
        if whole.end >= whole.size:
            return whole
        start = max(0, whole.size - length)
        return self.bridge.logs(job.site, job.job_id, stream, start=start, length=length)


def _message(job: Mapping[str, Any], job_id: str) -> bytes:
    return json.dumps({"version": 1, "job_id": job_id, **job}).encode()
