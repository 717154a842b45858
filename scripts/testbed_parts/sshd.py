"""sshd as the site's login node: one user, one key, the site's environment."""

from collections.abc import Sequence
from pathlib import Path

from . import files, process
from .console import SetupFailed
from .layout import ALICE
from .part import Part, ask
from .process import Launch


class Sshd(Part):
    """The login node (sshd(8))."""

    name = "sshd"
    hint = f"does the account {ALICE} exist, and is its shell /bin/bash?"

    @property
    def _home(self) -> Path:
        return self.layout.root / "sshd"

    @property
    def _config(self) -> Path:
        return self._home / "sshd_config"

    @property
    def client_key(self) -> Path:
        """The private key that opens the login node for the ordinary user."""
        return self.layout.secret("ssh-key")

    @property
    def known_hosts(self) -> Path:
        """The login node's host key in known_hosts form."""
        return self._home / "known_hosts"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.layout.ports['sshd']}"

    def configuration(self) -> Sequence[Path]:
        return (self._config,)

    def prepare(self) -> None:
        files.folder(self._home)
        # Debian's sshd was built with this folder for its privilege separation (sshd(8), FILES).
        files.folder(Path("/run/sshd"))
        host_key = self._home / "host_key"
        self._generate(host_key, comment="testbed")
        self._generate(self.client_key, comment=ALICE)
        files.folder(self.client_key.parent, mode=0o711)
        key = self.client_key.read_text()
        files.write(self.client_key, key, owner=ALICE, mode=0o600)
        public = self.client_key.with_suffix(".pub").read_text()
        files.write(self._home / "authorized_keys", public)
        port = self.layout.ports["sshd"]
        host_public = host_key.with_suffix(".pub").read_text()
        files.write(self.known_hosts, f"[127.0.0.1]:{port} {host_public}")
        files.write(self._config, self._configuration_text(host_key))

    def _configuration_text(self, host_key: Path) -> str:
        return "\n".join(
            (
                f"Port {self.layout.ports['sshd']}",
                "ListenAddress 127.0.0.1",
                f"HostKey {host_key}",
                f"PidFile {self._home / 'pid'}",
                f"AllowUsers {ALICE}",
                f"AuthorizedKeysFile {self._home / 'authorized_keys'}",
                "AuthenticationMethods publickey",
                "PermitRootLogin no",
                "UsePAM no",
                # The state may lie below /var/tmp, which everybody may write to.
                "StrictModes no",
                # Tests open many connections at a time.
                "MaxStartups 100",
                "MaxSessions 100",
                f"SetEnv SLURM_CONF={self.layout.slurm_conf} PATH={self.layout.search_path}",
                "Subsystem sftp internal-sftp",
                "",
            )
        )

    def _generate(self, path: Path, *, comment: str) -> None:
        if path.exists():
            return
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        went_well, answer = ask(argv)
        if not went_well:
            raise SetupFailed("ssh-keygen failed", hint=self.hint, log_lines=answer.splitlines())

    def launches(self) -> Sequence[Launch]:
        argv = ("/usr/sbin/sshd", "-D", "-e", "-f", str(self._config))
        # With the daemons' host name, srun and salloc work here whatever name the machine has:
        # they, too, bind to their host name's address alone.
        login = Launch(argv=argv, user="root", output=self.output, cwd=self._home, localhost=True)
        return [login]

    def children(self) -> Sequence[int]:
        # Connections outlive the daemon unless they are ended with it.
        return process.descendants([one.pid for one in self.processes])

    def probe(self) -> str | None:
        argv = ["ssh", "-F", "/dev/null", "-i", str(self.client_key), "-o", "BatchMode=yes"]
        argv += ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "IdentitiesOnly=yes"]
        argv += ["-p", str(self.layout.ports["sshd"]), f"{ALICE}@127.0.0.1", "true"]
        went_well, answer = ask(argv)
        return None if went_well else answer
