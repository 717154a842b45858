"""A registry with one image, on loopback: as much of the OCI distribution API as a pull needs."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = "testbed/pulled"
TAG = "1"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registry:
    """What is served, and how often each path was asked for."""

    def __init__(self, root: Path) -> None:
        layer, diff_id = _layer(root)
        config = json.dumps(_config(diff_id)).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(config, _CONFIG),
                "layers": [_descriptor(layer, _LAYER)],
            }
        ).encode()
        self.layer = f"/v2/{NAME}/blobs/{_digest(layer)}"
        self.pages = {
            "/v2/": (b"{}", "application/json"),
            f"/v2/{NAME}/manifests/{TAG}": (manifest, _MANIFEST),
            f"/v2/{NAME}/manifests/{_digest(manifest)}": (manifest, _MANIFEST),
            f"/v2/{NAME}/blobs/{_digest(config)}": (config, "application/octet-stream"),
            self.layer: (layer, "application/octet-stream"),
        }
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()
        """While it is cleared, the layer is not handed out."""
        self.gate.set()
        self.digest = _digest(manifest)
        self.host = ""

    def image(self, tag: str = TAG) -> str:
        """How a job names the image; other tags are not there."""
        return f"docker://{self.host}/{NAME}:{tag}"

    def pinned(self) -> str:
        """The same by its digest."""
        return f"docker://{self.host}/{NAME}@{self.digest}"


@contextmanager
def serve(root: Path) -> Iterator[Registry]:
    """The registry, with `root` as the file system of its image."""
    registry = Registry(root)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked[self.path] += self.command == "GET"
            if self.path == registry.layer:
                registry.gate.wait(60)
            content, kind = registry.pages.get(self.path, (b'{"errors": []}', ""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", _digest(content))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815  (the name that the base class looks for)

        def log_message(self, *_: object) -> None:
            """Tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield registry
    finally:
        registry.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _layer(root: Path) -> tuple[bytes, str]:
    """The folder as a packed layer, and the digest of what was packed."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "usr"):
            if (root / name).exists():
                tar.add(root / name, name)
    return gzip.compress(plain.getvalue(), mtime=0), _digest(plain.getvalue())


def _config(diff_id: str) -> dict[str, object]:
    # Debian's words for machines are those of OCI images.
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return {
        "architecture": machine,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }


def _descriptor(content: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
