"""The way to a login node, from our settings and ssh_config(5)."""

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.adapters.ssh.route import Hop, route_to
from bridge.core.errors import ConfigurationError
from bridge.core.settings import SshSettings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def route(home: Path, settings: SshSettings, config: str | None = None) -> tuple[Hop, ...]:
    if config is not None:
        (home / ".ssh" / "config").write_text(config, encoding="utf-8")
    return route_to(settings, home=home, user="me")


def test_without_a_word_it_is_as_ssh_does_it(home: Path) -> None:
    (hop,) = route(home, SshSettings(host="login"))
    assert hop == Hop(
        host="login",
        port=22,
        user="me",
        known_as="login",
        known_hosts=(home / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts")),
        key_files=(home / ".ssh/id_ed25519", home / ".ssh/id_ecdsa", home / ".ssh/id_rsa"),
        certificate_files=(),
        use_agent=True,
        alive_every=timedelta(seconds=15),
        alive_count=3,
    )


CONFIG = """\
Host login
  HostName login01.example.org
  Port 2222
  User ada
  IdentityFile /keys/one
  IdentityFile /keys/two
  CertificateFile /keys/one-cert.pub
  IdentitiesOnly yes
  UserKnownHostsFile /keys/known /keys/known2
  ServerAliveInterval 7
  ServerAliveCountMax 2
"""


def test_ssh_config_is_followed(home: Path) -> None:
    (hop,) = route(home, SshSettings(host="login"), CONFIG)
    assert hop == Hop(
        host="login01.example.org",
        port=2222,
        user="ada",
        known_as="[login01.example.org]:2222",
        known_hosts=(
            *(Path("/keys/known"), Path("/keys/known2")),
            Path("/etc/ssh/ssh_known_hosts"),
        ),
        key_files=(Path("/keys/one"), Path("/keys/two")),
        certificate_files=(Path("/keys/one-cert.pub"),),
        use_agent=False,
        alive_every=timedelta(seconds=7),
        alive_count=2,
    )


def test_our_settings_come_first(home: Path) -> None:
    settings = SshSettings(
        host="login", port=22, user="bob", key_file="/ours/key", known_hosts_file="/ours/known"
    )
    (hop,) = route(home, settings, CONFIG)
    assert (hop.host, hop.port, hop.user) == ("login01.example.org", 22, "bob")
    assert hop.known_as == "login01.example.org"
    assert hop.key_files == (Path("/ours/key"),)
    assert hop.known_hosts == (Path("/ours/known"),)


def test_a_file_of_another_name_is_read_instead(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("Host *\n  User eve\n", encoding="utf-8")
    (hop,) = route(home, SshSettings(host="login", ssh_config=str(other)), CONFIG)
    assert (hop.host, hop.user) == ("login", "eve")


def test_a_host_may_be_known_under_an_alias(home: Path) -> None:
    (hop,) = route(home, SshSettings(host="login"), f"{CONFIG}  HostKeyAlias cluster\n")
    assert hop.known_as == "cluster"


def test_keep_alives_cannot_be_switched_off(home: Path) -> None:
    (hop,) = route(home, SshSettings(host="login"), "Host *\n  ServerAliveInterval 0\n")
    assert hop.alive_every == timedelta(seconds=15)


def names(hops: tuple[Hop, ...]) -> list[str]:
    return [str(it) for it in hops]


def test_the_way_leads_through_the_jump_hosts_in_their_order(home: Path) -> None:
    settings = SshSettings(host="login", user="ada", jump=("gate", "bob@[::1]:2200", "ssh://c:23/"))
    assert names(route(home, settings)) == [
        *("ada@gate:22", "bob@::1:2200", "ada@c:23", "ada@login:22"),
    ]


def test_proxy_jump_is_followed_from_host_to_host(home: Path) -> None:
    config = """\
Host login
  ProxyJump inner
Host inner
  HostName inner.example.org
  User in
  ProxyJump out@gate:23
"""
    assert names(route(home, SshSettings(host="login"), config)) == [
        *("out@gate:23", "in@inner.example.org:22", "me@login:22"),
    ]


def test_our_own_jump_hosts_replace_those_of_ssh_config(home: Path) -> None:
    config = "Host login\n  ProxyJump inner\n"
    settings = SshSettings(host="login", jump=("gate",))
    assert names(route(home, settings, config)) == ["me@gate:22", "me@login:22"]


def test_proxy_jump_none_is_no_jump(home: Path) -> None:
    config = "Host login\n  ProxyJump none\nHost *\n  ProxyJump gate\n"
    assert names(route(home, SshSettings(host="login"), config)) == ["me@login:22"]


def test_our_key_opens_jump_hosts_of_which_nothing_else_is_said(home: Path) -> None:
    config = "Host gate\n  IdentityFile /keys/gate\n"
    settings = SshSettings(host="login", key_file="/ours/key", jump=("gate", "inner"))
    assert [it.key_files for it in route(home, settings, config)] == [
        *((Path("/keys/gate"),), (Path("/ours/key"),), (Path("/ours/key"),)),
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("Host *\n  Include other\n", "Include is not followed"),
        ("Host *\n  ProxyCommand nc %h %p\n", "ProxyCommand for login is not run"),
        ("Host *\n  ProxyJump login\n", "goes round in a circle"),
        ("Host *\n  ProxyJump a b c\n", r"\[user@\]host\[:port\] is wanted \(found 'a b c'\)"),
        ("Host *\n  Port many\n", r"port: a number is wanted \(found 'many'\)"),
        ("Host *\n  ServerAliveCountMax -1\n", "serveralivecountmax: a number is wanted"),
        ("Nonsense\n", "Nonsense"),
    ],
)
def test_what_cannot_be_followed_is_said(home: Path, config: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"scheduler\.access\..*{words}"):
        route(home, SshSettings(host="login"), config)


def test_a_file_that_is_named_must_be_there(home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ssh_config: /nonexistent: .*No such file"):
        route(home, SshSettings(host="login", ssh_config="/nonexistent"))
