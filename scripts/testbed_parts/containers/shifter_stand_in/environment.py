"""The environment of a container, built in the order in which Shifter documents it."""

from collections.abc import Iterable, Mapping

from .refusal import Refused


def build(
    *,
    host: Mapping[str, str],
    image: Iterable[str],
    files: Iterable[str],
    options: Iterable[str],
    clear: bool,
) -> dict[str, str]:
    """The host's variables, then the image's, then --env-file's lines, then --env's.

    ``LD_*`` and ``TMPDIR`` of the host do not pass in; ``clear`` keeps all of the host's out.
    Quotes are part of a value. Raises Refused for an option that is no ``NAME=VALUE``.
    """
    passed = {} if clear else {name: value for name, value in host.items() if _passes(name)}
    return {
        **passed,
        **_pairs(image, "the image's environment"),
        **_pairs(files, "--env-file"),
        **_pairs(options, "--env"),
        "SHIFTER_RUNTIME": "1",
    }


def _passes(name: str) -> bool:
    return name != "TMPDIR" and not name.startswith("LD_")


def _pairs(lines: Iterable[str], origin: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name or not equals:
            raise Refused(f"{origin}: expected NAME=VALUE, not {line!r}")
        pairs[name] = value
    return pairs
