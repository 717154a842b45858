"""Where the files are that come with the bridge and are no code: templates and site files."""

from pathlib import Path


def shipped(folder: str) -> Path:
    """The folder `templates` or `site_configs`: in the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    in_the_wheel = package / "data" / folder
    return in_the_wheel if in_the_wheel.is_dir() else package.parent / folder
