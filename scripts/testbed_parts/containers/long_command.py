"""Commands that take a while: their output is kept, progress is shown, a failure says why."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed_parts.console import SetupFailed

_SHOW_EVERY_SECONDS = 5.0


def run(
    argv: Sequence[str],
    progress: Callable[[str], None],
    *,
    doing: str,
    hint: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run ``argv`` to its end and return what it printed (both streams, in order).

    Says ``doing`` with the command's last line every few seconds. Raises SetupFailed with the
    last lines of the output when the command fails or is not there.
    """
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
            )
        except OSError as error:
            raise SetupFailed(f"{doing}: {argv[0]}: {error.strerror}", hint=hint) from error
        with child:
            while _still_runs(child):
                seconds = time.monotonic() - started
                progress(f"{doing} ({seconds:.0f} s): {_last_line(output.fileno())}")
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode != 0:
        raise SetupFailed(
            f"{doing}: {argv[0]} exited {child.returncode}",
            hint=hint,
            log_lines=text.splitlines()[-15:],
        )
    return text


def _still_runs(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(timeout=_SHOW_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    except BaseException:
        child.terminate()
        raise
    return False


def _last_line(descriptor: int) -> str:
    # A path of its own: the child shares this descriptor's position.
    with Path(f"/proc/self/fd/{descriptor}").open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 1024))
        lines = stream.read().decode(errors="replace").splitlines()
    return lines[-1].strip()[:100] if lines else "..."
