"""A site's file and the files that it extends, as one document."""

from collections.abc import Mapping
from pathlib import Path

from bridge.core.errors import ConfigurationError, Problem
from bridge.sites.document import EXTENDS, Document, Place, read_document

_VERBATIM: frozenset[Place] = frozenset({("setup",)})
_NULL_IS_A_VALUE: frozenset[Place] = frozenset({("mlexchange", "start_in")})


def read_with_bases(path: Path, environment: Mapping[str, str]) -> Document:
    """The document at `path`, with what it does not say from the file that it extends.

    That file's name is relative to the folder of the one that names it, and it may extend another.
    Raises ConfigurationError when `path` itself cannot be read; all else is in the answer's
    problems.
    """
    return _read(path, environment, ())


def _read(path: Path, environment: Mapping[str, str], heirs: tuple[Path, ...]) -> Document:
    document = read_document(
        _text_of(path), file=str(path), environment=environment, verbatim=_VERBATIM
    )
    named = document.data.get("extends") if isinstance(document.data, dict) else None
    if not isinstance(named, str) or EXTENDS in document.problems:
        return document
    base, chain = path.parent / named, (*heirs, path)
    if any(base.resolve() == it.resolve() for it in chain):
        document.report(EXTENDS, f"{base} comes to extend itself")
        return document
    try:
        inherited = _read(base, environment, chain)
    except ConfigurationError as error:
        document.report(EXTENDS, "; ".join(map(str, error.problems)))
        return document
    if not isinstance(inherited.data, dict) and not inherited.problems:
        document.report(EXTENDS, f"{base} has no fields")
    document.inherit(inherited, null_is_a_value=_NULL_IS_A_VALUE)
    return document


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 text: byte {error.start} cannot be read"
    except (OSError, ValueError) as error:
        what = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    raise ConfigurationError(Problem(where=str(path), what=what))
