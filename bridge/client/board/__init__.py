"""What stateless pages read: the jobs, their runs, events and sites, in one small database."""

from bridge.client.board.board import ALL_JOBS, LARGEST_PAGE, Board
from bridge.client.board.catch_up import read_history
from bridge.client.board.keeper import BoardKeeper
from bridge.client.board.model import (
    BoardArtifact,
    BoardAttempt,
    BoardJob,
    BoardPoint,
    BoardSite,
    JobFilter,
    JobPage,
    JobSort,
    SetAside,
)
from bridge.core.user_state import OVER, UserState

__all__ = [
    "ALL_JOBS",
    "LARGEST_PAGE",
    "OVER",
    "Board",
    "BoardArtifact",
    "BoardAttempt",
    "BoardJob",
    "BoardKeeper",
    "BoardPoint",
    "BoardSite",
    "JobFilter",
    "JobPage",
    "JobSort",
    "SetAside",
    "UserState",
    "read_history",
]
