"""Tell the front end how far a training has come. One file, no dependencies, Python 3.6 and later.

Copy it into an image, or beside the training's code:

    from progress import report

    for epoch in range(1, epochs + 1):
        ...
        report(epoch, total=epochs, loss=loss, accuracy=accuracy)

In a shell, in any image:

    echo '{"step": 3, "total": 10, "metrics": {"loss": 0.12}}' >>"$BRIDGE_PROGRESS"
"""

import json
import math
import os
from typing import Optional, SupportsFloat, Union

__all__ = ["report"]


def report(
    step: SupportsFloat,
    total: Optional[SupportsFloat] = None,  # noqa: UP045 - Python 3.6 has no `|` for types
    message: Optional[str] = None,  # noqa: UP045
    **metrics: SupportsFloat,
) -> None:
    """Tell that the training is at `step` of `total`, with metrics such as loss=0.12.

    A metric that is not finite is told as null: a loss that became NaN shows as a gap in its curve.
    Outside of a job, where BRIDGE_PROGRESS is not set, this does nothing; and it never raises, for
    no training shall end because of it.
    """
    path = os.environ.get("BRIDGE_PROGRESS")
    if not path:
        return
    numbers = {name: _number(value) for name, value in metrics.items()}
    words = None if message is None else str(message)
    line = {"step": _number(step), "total": _number(total), "metrics": numbers, "message": words}
    try:
        # One write, with the end of the line in it: several processes may share the file.
        data = (json.dumps(line) + "\n").encode("ascii")
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(file, data)
        finally:
            os.close(file)
    except OSError:
        pass


def _number(value: object) -> Union[int, float, None]:  # noqa: UP007
    """As a number that JSON has; None for all else. Takes those of NumPy, PyTorch and the like."""
    try:
        number = float(value)  # type: ignore[arg-type] # whatever it is: see below
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) and abs(number) < 2**53 else number
