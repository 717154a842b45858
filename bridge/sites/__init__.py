"""The site's YAML file: read, checked and turned into the core's types."""

from bridge.sites.reading import load_site, setup_line, site_schema

__all__ = ["load_site", "setup_line", "site_schema"]
