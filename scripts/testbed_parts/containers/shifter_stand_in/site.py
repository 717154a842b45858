"""What ``build`` wrote down for the installed commands."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the catalogue lies, which host folders every container sees, and an empty folder."""

    catalogue: str
    folders: tuple[str, ...]
    root: str

    @staticmethod
    def read(path: Path) -> "Site":
        """The site as ``write`` left it."""
        content = json.loads(path.read_text())
        return Site(**{**content, "folders": tuple(content["folders"])})

    def write(self, path: Path) -> None:
        """Keep the site for the commands."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")
