"""The environment variables that tell a program how to use the testbed."""

from .layout import ALICE, AMQP_USER, AMQP_VHOST, BOB, MANAGEMENT_USER, Layout
from .sshd import Sshd


def exports(layout: Layout) -> dict[str, str]:
    """What a program needs to know to use this testbed."""
    sshd = Sshd(layout)
    names = {
        "BRIDGE_TESTBED_DIR": str(layout.root),
        "SLURM_CONF": str(layout.slurm_conf),
        "BRIDGE_TESTBED_SLURM_CONF": str(layout.slurm_conf),
        "BRIDGE_TESTBED_USER": ALICE,
        "BRIDGE_TESTBED_SECOND_USER": BOB,
        "BRIDGE_TESTBED_WORK_ROOT": str(layout.work),
        "BRIDGE_TESTBED_BIN": str(layout.bin),
        "BRIDGE_TESTBED_IMAGES": str(layout.images),
        "BRIDGE_TESTBED_PATH": layout.search_path,
        "BRIDGE_TESTBED_AMQP_HOST": "127.0.0.1",
        "BRIDGE_TESTBED_AMQP_PORT": str(layout.ports["amqp"]),
        "BRIDGE_TESTBED_AMQP_USER": AMQP_USER,
        "BRIDGE_TESTBED_AMQP_VHOST": AMQP_VHOST,
        "BRIDGE_TESTBED_AMQP_PASSWORD_FILE": str(layout.secret("amqp-password")),
        "BRIDGE_TESTBED_AMQP_URL": layout.amqp_url(),
        "BRIDGE_TESTBED_MANAGEMENT_URL": f"http://127.0.0.1:{layout.ports['management']}",
        "BRIDGE_TESTBED_MANAGEMENT_USER": MANAGEMENT_USER,
        "BRIDGE_TESTBED_MANAGEMENT_PASSWORD_FILE": str(layout.secret("management-password")),
        "BRIDGE_TESTBED_SSH_PORT": str(layout.ports["sshd"]),
        "BRIDGE_TESTBED_SSH_KEY": str(sshd.client_key),
        "BRIDGE_TESTBED_SSH_KNOWN_HOSTS": str(sshd.known_hosts),
    }
    if layout.options.postgresql:
        names["BRIDGE_TESTBED_POSTGRESQL_URL"] = layout.postgresql_url()
    return names
