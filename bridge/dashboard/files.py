"""What jobs have left, for downloading."""

from collections.abc import Iterator
from urllib.parse import quote

from flask import Flask, Response, abort

from bridge.client.board import BoardJob
from bridge.core.errors import BridgeError, UnavailableError
from bridge.dashboard.desk import Desk


def artifact_address(job_id: str, name: str) -> str:
    """Where a job's artifact is downloaded."""
    return f"/jobs/{job_id}/artifacts/{quote(name)}"


def output_address(job_id: str, stream: str) -> str:
    """Where all of a job's output is downloaded."""
    return f"/jobs/{job_id}/output/{stream}"


def register_files(server: Flask, desk: Desk) -> None:
    """The addresses under which files are downloaded."""

    @server.get("/jobs/<uuid:job_id>/artifacts/<path:name>")
    def artifact(job_id: object, name: str) -> Response:
        job = _job(desk, str(job_id))
        try:
            found = desk.bridge.artifact(job.site, job.job_id, name)
        except BridgeError as error:
            abort(404, str(error))
        return _download(found.data, name.rpartition("/")[2])

    @server.get("/jobs/<uuid:job_id>/output/<any(stdout, stderr):stream>")
    def output(job_id: object, stream: str) -> Response:
        job = _job(desk, str(job_id))
        return _download(_all_of(desk, job, stream), f"{job.job_id}-{stream}.txt")


def _job(desk: Desk, job_id: str) -> BoardJob:
    try:
        job = desk.board.job(job_id)
    except UnavailableError as error:
        abort(503, str(error))
    if job is None:
        abort(404, "Nobody has heard of this job here.")
    return job


def _all_of(desk: Desk, job: BoardJob, stream: str) -> Iterator[bytes]:
    """An output range by range; what breaks off in the middle ends the connection."""
    start, size = 0, 1
    while start < size:
        piece = desk.bridge.logs(job.site, job.job_id, stream, start=start)
        if not piece.data:
            return
        start, size = piece.end, piece.size
        yield piece.data


def _download(body: bytes | Iterator[bytes], name: str) -> Response:
    response = Response(body, mimetype="application/octet-stream")
    # Whatever a job wrote, a browser saves it and never opens it as a page (RFC 6266).
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return response
