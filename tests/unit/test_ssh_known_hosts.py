"""Which host keys are trusted."""

from base64 import b64encode

import pytest

from bridge.adapters.ssh.known_hosts import Trust, judge, known_keys

KEY, OTHER = b"key of the host", b"another key"


def line(names: str, key: bytes = KEY, *, kind: str = "ssh-ed25519", marker: str = "") -> str:
    return f"{marker} {names} {kind} {b64encode(key).decode()} a comment".strip()


def verdict(name: str, key: bytes, *lines: str) -> tuple[Trust, tuple[str, ...]]:
    return judge(known_keys("\n".join(lines), name, file="kh"), key)


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ("login", "login"),
        ("Login.Example.ORG", "login.example.org"),
        ("gate,login,10.0.0.1", "login"),
        ("login*.example.org", "login12.example.org"),
        ("login?", "login1"),
        ("[login]:2222", "[login]:2222"),
        ("[*]:2222", "[login]:2222"),
        ("*,!gate", "login"),
    ],
)
def test_a_host_is_known_under_each_of_its_names(names: str, name: str) -> None:
    assert verdict(name, KEY, line(names)) == (Trust.KNOWN, ("kh, line 1",))


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ("login", "login.example.org"),
        ("login", "[login]:2222"),
        ("[login]:2222", "login"),
        ("[login]:2222", "[login]:2223"),
        ("*.example.org", "login.example.com"),
        ("*,!login", "login"),
        ("[lg]ogin", "login"),
        ("login?", "login"),
    ],
)
def test_a_host_is_not_known_under_any_other(names: str, name: str) -> None:
    assert verdict(name, KEY, line(names)) == (Trust.UNKNOWN, ())


def test_a_key_that_is_not_the_known_one_is_told_with_every_place() -> None:
    told = verdict("login", OTHER, "# a comment", line("login"), "", line("*"), line("gate"))
    assert told == (Trust.CHANGED, ("kh, line 2", "kh, line 4"))


def test_one_of_several_keys_is_enough() -> None:
    both = line("login", OTHER, kind="ssh-rsa"), line("login")
    assert verdict("login", KEY, *both) == (Trust.KNOWN, ("kh, line 2",))


def test_a_revoked_key_is_not_saved_by_a_line_that_knows_it() -> None:
    lines = line("login"), line("*", marker="@revoked")
    assert verdict("login", KEY, *lines) == (Trust.REVOKED, ("kh, line 2",))


def test_another_key_that_is_revoked_makes_nobody_known_or_changed() -> None:
    assert verdict("login", KEY, line("*", OTHER, marker="@revoked")) == (Trust.UNKNOWN, ())


@pytest.mark.parametrize(
    "text",
    [
        "login",
        "login ssh-ed25519",
        "login ssh-ed25519 not*base64",
        "|1|salt|hash ssh-ed25519 a2V5",
        "|2|a2V5|a2V5 ssh-ed25519 a2V5",
        "|1|a2V5 ssh-ed25519 a2V5",
        line("login", marker="@cert-authority"),
        line("login", marker="@whatever"),
        f"# {line('login')}",
        "\x00\x01\x02",
    ],
)
def test_a_line_that_cannot_be_read_makes_nobody_known(text: str) -> None:
    assert verdict("login", KEY, text) == (Trust.UNKNOWN, ())


HASHED = (
    "|1|bKxc06FDF05M1syIlmDZbwLEOEk=|0STga9poBzt/9v8NlP94r84bMrM=",
    "|1|bBVTJi3YZL4a9ONX2Zc8qtUxwsI=|vicC6gapm92wkL5bV6uNRkD7ppE=",
)
"""What ssh-keygen -H made of login.example.org and [gate]:2222."""


def test_hashed_names_are_found() -> None:
    lines = [line(it) for it in HASHED]
    assert verdict("login.example.org", KEY, *lines) == (Trust.KNOWN, ("kh, line 1",))
    assert verdict("[gate]:2222", KEY, *lines) == (Trust.KNOWN, ("kh, line 2",))
    assert verdict("[gate]:2222", OTHER, *lines) == (Trust.CHANGED, ("kh, line 2",))
    assert verdict("gate", KEY, *lines) == (Trust.UNKNOWN, ())
