"""Keys and certificates, and when they end. Those of ssh-keygen: tests/fault."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
    SSHPrivateKeyTypes,
    load_ssh_private_key,
)
from structlog.testing import capture_logs

from bridge.adapters.ssh.examination import examine_certificates
from bridge.adapters.ssh.keys import (
    ExpiryAlarm,
    Validity,
    load_credentials,
    stamp,
    validity_of,
)
from bridge.adapters.ssh.route import Hop
from bridge.core.finding import Grade
from bridge.testing.clock import FakeClock

BEGINS, ENDS = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)
A_DAY = (int(BEGINS.timestamp()), int(ENDS.timestamp()))
FOREVER = (0, 2**64 - 1)

KINDS: dict[str, Callable[[], SSHPrivateKeyTypes]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def new_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    key = KINDS[kind]()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock))
    return path


def certify(key: Path, validity: tuple[int, int]) -> Path:
    """A certificate beside the key, by an authority that nobody needs to know."""
    begins, ends = validity
    public = load_ssh_private_key(key.read_bytes(), None).public_key()
    assert not isinstance(public, DSAPublicKey)
    certificate = (
        SSHCertificateBuilder()
        .public_key(public)
        .type(SSHCertificateType.USER)
        .valid_principals([b"ada"])
        .valid_after(begins)
        .valid_before(ends)
        .sign(ed25519.Ed25519PrivateKey.generate())
    )
    path = key.with_name(f"{key.name}-cert.pub")
    path.write_bytes(certificate.public_bytes())
    return path


def hop(*keys: Path) -> Hop:
    return Hop(
        host="login",
        port=22,
        user="ada",
        known_as="login",
        known_hosts=(),
        key_files=keys,
        certificate_files=(),
        use_agent=False,
        alive_every=timedelta(seconds=15),
        alive_count=3,
    )


# --- validity -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_says_when_it_counts(tmp_path: Path, kind: str) -> None:
    certificate = certify(new_key(tmp_path / "key", kind), A_DAY)
    assert validity_of(certificate.read_bytes()) == Validity(begins=BEGINS, ends=ENDS)


def test_a_certificate_without_end_has_none(tmp_path: Path) -> None:
    certificate = certify(new_key(tmp_path / "key"), FOREVER)
    assert validity_of(certificate.read_bytes()) is None


def test_an_end_that_no_calendar_has_is_the_last_one_that_it_has(tmp_path: Path) -> None:
    certificate = certify(new_key(tmp_path / "key"), (0, 2**64 - 16))
    validity = validity_of(certificate.read_bytes())
    assert validity is not None
    assert validity.ends.year == 9999


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    key = load_ssh_private_key(new_key(tmp_path / "key").read_bytes(), None)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for data in (public, b"", b"ssh-ed25519-cert-v01@openssh.com AAAA", b"\x00\xff"):
        with pytest.raises(ValueError, match=r"."):
            validity_of(data)


@pytest.mark.parametrize(
    ("ends", "left", "is_near"),
    [
        (timedelta(hours=24), timedelta(hours=7), False),
        (timedelta(hours=24), timedelta(hours=6), True),
        (timedelta(hours=24), timedelta(0), True),
        (timedelta(hours=24), timedelta(hours=-1), True),
        (timedelta(hours=1), timedelta(minutes=16), False),
        (timedelta(hours=1), timedelta(minutes=15), True),
        (timedelta(days=365), timedelta(hours=25), False),
        (timedelta(days=365), timedelta(hours=24), True),
    ],
)
def test_the_last_quarter_but_at_most_a_day_is_near_the_end(
    ends: timedelta, left: timedelta, *, is_near: bool
) -> None:
    validity = Validity(begins=BEGINS, ends=BEGINS + ends)
    assert validity.is_near_its_end(BEGINS + ends - left) is is_near


# --- the alarm ------------------------------------------------------------------------------------


def told(alarm: ExpiryAlarm) -> list[tuple[object, object]]:
    with capture_logs() as logs:
        alarm.check()
    return [(it["log_level"], it["is_over"]) for it in logs if it["event"] == "ssh_key_expires"]


def test_an_end_that_comes_near_is_told_hourly_and_a_renewed_key_is_not(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    certificate = certify(key, A_DAY)
    clock = FakeClock(ENDS - timedelta(hours=7))
    alarm = ExpiryAlarm((hop(key),), clock)
    assert told(alarm) == []
    clock.move(timedelta(hours=1))
    assert told(alarm) == [("warning", False)]
    clock.move(timedelta(minutes=59))
    assert told(alarm) == []
    clock.move(timedelta(minutes=1))
    assert told(alarm) == [("warning", False)]
    clock.move(timedelta(hours=5))
    assert told(alarm) == [("error", True)]
    certificate.unlink()
    certify(key, (A_DAY[1], A_DAY[1] + 86400))
    clock.move(timedelta(hours=2))
    assert told(alarm) == []


def test_files_that_cannot_be_read_are_no_alarm(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    (tmp_path / "key-cert.pub").write_text("nonsense", encoding="utf-8")
    assert told(ExpiryAlarm((hop(key, tmp_path / "missing"),), FakeClock(ENDS))) == []


@pytest.mark.parametrize(
    ("left", "grade", "words"),
    [
        (timedelta(hours=7), Grade.OK, "ends at "),
        (timedelta(hours=6), Grade.NOTE, "ends soon, at "),
        (timedelta(0), Grade.WRONG, "has ended, at "),
    ],
)
def test_a_look_tells_of_each_certificate_when_it_ends(
    tmp_path: Path, left: timedelta, grade: Grade, words: str
) -> None:
    key, other = new_key(tmp_path / "key"), new_key(tmp_path / "other")
    certificate = certify(key, A_DAY)
    certify(other, FOREVER)
    (found,) = examine_certificates([hop(key, other, tmp_path / "missing")], ENDS - left)
    assert found.subject == f"certificate {certificate}"
    assert (found.grade, found.words) == (grade, f"{words}{ENDS.isoformat()}")
    assert (found.remedy is None) is (grade is Grade.OK)


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_is_offered_with_its_certificate_and_then_alone(tmp_path: Path, kind: str) -> None:
    key = new_key(tmp_path / "key", kind)
    certify(key, A_DAY)
    credentials, problems = load_credentials(hop(key))
    assert [it.label for it in credentials] == [f"{key} with key-cert.pub", str(key)]
    assert problems == ()
    with_certificate, alone = (it.key.public_blob for it in credentials)
    assert with_certificate is not None
    assert with_certificate.key_type.endswith("-cert-v01@openssh.com")
    assert alone is None


def test_a_certificate_of_another_name_goes_with_the_key(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    elsewhere = certify(key, A_DAY).rename(tmp_path / "elsewhere.pub")
    credentials, _ = load_credentials(replace(hop(key), certificate_files=(elsewhere,)))
    assert [it.label for it in credentials] == [f"{key} with elsewhere.pub", str(key)]


def test_keys_that_cannot_be_used_are_named_with_the_reason(tmp_path: Path) -> None:
    locked = new_key(tmp_path / "locked", passphrase="correct horse")
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense", encoding="utf-8")
    missing = tmp_path / "missing"
    good = new_key(tmp_path / "good")
    credentials, problems = load_credentials(hop(missing, locked, nonsense, good))
    assert [it.label for it in credentials] == [str(good)]
    for path, words in ((missing, "does not exist"), (locked, "assword"), (nonsense, "cannot be")):
        assert any(str(path) in it and words in it for it in problems)


def test_a_stamp_changes_with_every_file_that_decides_about_the_login(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    known = tmp_path / "known_hosts"
    way = (replace(hop(key), known_hosts=(known,)),)
    stamps = {stamp(way), stamp(way)}
    assert len(stamps) == 1
    known.write_text("", encoding="utf-8")
    stamps.add(stamp(way))
    certify(key, A_DAY)
    stamps.add(stamp(way))
    key.unlink()
    stamps.add(stamp(way))
    assert len(stamps) == 4
