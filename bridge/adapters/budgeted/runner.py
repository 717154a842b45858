"""A Runner that keeps to a budget of commands per minute."""

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from threading import Lock

from bridge.adapters.budgeted.spent_times import SpentTimes
from bridge.core.errors import OverBudgetError
from bridge.core.policy import budget_wait
from bridge.ports import Clock, Completed, Runner


class BudgetedRunner:
    """Runs commands through another runner, never more per minute than is allowed.

    Commands are told by their names, wherever they stand in an argv such as
    `env SLURM_CONF=... squeue ...`; one that no budget names is not counted.
    """

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        budgets: Sequence[tuple[frozenset[str], int | None]],
        *,
        kept_in: str | None = None,
    ) -> None:
        """Each budget is a set of commands, and how many of them may run in any minute.

        What is spent is kept in files whose paths begin with `kept_in`, and binds the next process
        as well.
        """
        self._runner = runner
        self._clock = clock
        now = clock.uptime()
        self._budgets = [_Budget(them, most, kept_in, now) for them, most in budgets if most]

    def close(self) -> None:
        """Let the files go."""
        for budget in self._budgets:
            budget.close()

    def run(self, argv: Sequence[str], *, stdin: str = "", timeout: timedelta) -> Completed:
        """See Runner. Raises OverBudgetError when nothing was run."""
        self.spend(argv)
        return self._runner.run(argv, stdin=stdin, timeout=timeout)

    def spend(self, argv: Sequence[str]) -> None:
        """Count what does the same as this command in another way. Raises OverBudgetError."""
        for budget in self._budgets:
            if budget.commands.intersection(argv):
                budget.spend(self._clock)


class _Budget:
    def __init__(
        self, commands: frozenset[str], most: int, kept_in: str | None, now: timedelta
    ) -> None:
        self.commands = commands
        self._most = most
        path = Path(f"{kept_in}.{'-'.join(sorted(commands))}")
        self._kept = None if kept_in is None else SpentTimes(path, most=most)
        before = self._kept.open(now=now) if self._kept is not None else ()
        self._spent: deque[timedelta] = deque(before, maxlen=most)
        self._lock = Lock()

    def close(self) -> None:
        # With the lock: a number that a late thread still writes to may be another file's by then.
        with self._lock:
            if self._kept is not None:
                self._kept.close()

    def spend(self, clock: Clock) -> None:
        with self._lock:
            now = clock.uptime()
            wait = budget_wait(self._spent, per_minute=self._most, now=now)
            if wait is not None:
                names = ", ".join(sorted(self.commands))
                words = f"{names}: {self._most} in a minute are all that we may run"
                raise OverBudgetError(words, wait=wait)
            self._spent.append(now)
            if self._kept is not None:
                self._kept.note(now)
