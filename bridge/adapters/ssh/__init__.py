"""A login node that is reached over SSH: commands, and the jobs' folders.

Needs paramiko and cryptography, the extra `ssh` of the package.
"""

from bridge.adapters.ssh.connection import SshConnection
from bridge.adapters.ssh.folders import SshFolders
from bridge.adapters.ssh.reading import SshFiles
from bridge.adapters.ssh.remains import SshRemains
from bridge.adapters.ssh.runner import SshRunner

__all__ = ["SshConnection", "SshFiles", "SshFolders", "SshRemains", "SshRunner"]
