"""The jobs' folders, on a file system that this machine sees."""

from bridge.adapters.local_folders.folders import LocalFolders
from bridge.adapters.local_folders.reading import LocalFiles
from bridge.adapters.local_folders.remains import LocalRemains

__all__ = ["LocalFiles", "LocalFolders", "LocalRemains"]
