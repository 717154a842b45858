"""Log events with fields on standard error, for people or for machines."""

import logging
import sys

import structlog


def configure_logging(*, as_json: bool, level: str) -> None:
    """Send structlog's events of this level and above to standard error, one line each."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        # Looked up at each event: who runs a command within another program may lead standard
        # error elsewhere meanwhile, as click's CliRunner does.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
