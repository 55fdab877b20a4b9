"""What the program says about itself: one line per event on standard error, more in the home's log file."""

from __future__ import annotations

import logging
import logging.handlers
import re
import secrets
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

_HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(r"token|secret|password|authorization|api_key|stripe_key|cookie", re.IGNORECASE)
# Stripe keys, Salesforce session ids and bearer headers, wherever they stand in a text.
_SECRET_TEXTS = re.compile(
    r"\b(?:sk|rk|whsec)_(?:test_|live_)?\w+|\b00D\w{12,15}![\w.]+|\bBearer\s+[\w.!~+/=-]+", re.IGNORECASE
)
_LOG_BYTES = 5_000_000
_LOG_FILES = 3
_ID_BYTES = 4
_LOUD_LIBRARIES = ("asyncio", "httpcore", "httpcore2", "httpx2", "stripe")
"""Libraries that write several lines, and whole bodies, for each request; `call` says it in one, without."""

_SAID_OTHERWISE = frozenset({"cpqbridge", "cpqbridge.sync.observing"})


def redact(value: Any) -> Any:
    """Return `value` with everything that looks like a secret replaced, at any depth."""
    if isinstance(value, str):
        return _SECRET_TEXTS.sub(_HIDDEN, value)
    if isinstance(value, dict):
        return {
            key: _HIDDEN if isinstance(key, str) and _SECRET_NAMES.search(key) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def configure_logging(home: Path | None, *, level: str = "info", json_to_stderr: bool = False) -> Path | None:
    """Send warnings to standard error and everything from `level` on to `logs/cpqbridge.log` in the home.

    With `json_to_stderr` standard error takes everything from `level` on too, one JSON document a line.

    Returns:
        The log file; it lies in a new temporary folder when the home cannot be written to. None without a
        home: then there is no file.
    """
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    to_people = _standard_error_handler(processors)
    handlers: list[logging.Handler] = [_json_handler(processors) if json_to_stderr else to_people]
    path = None if home is None else _log_file(home)
    if path is not None:
        handlers.append(_file_handler(path, processors))
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _LOUD_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*processors[:4], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return path


def unexpected(error: BaseException) -> str:
    """Log an error nobody planned for, with its trace, and return the id that finds it in the log."""
    error_id = f"E-{secrets.token_hex(_ID_BYTES)}"
    logging.getLogger("cpqbridge").error("unexpected error %s", error_id, exc_info=error)
    return error_id


def log_path() -> Path | None:
    """Return the file that log entries go to, or None when there is none."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            return Path(handler.baseFilename)
    return None


class _NoTrace(structlog.stdlib.ProcessorFormatter):
    """Prints an entry without its trace: people get the id, the log file keeps the trace."""

    def format(self, record: logging.LogRecord) -> str:
        bare = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        return super().format(bare)


def _standard_error_handler(processors: list[Any]) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    # The command itself says what went wrong and names the id, so these lines would say it twice.
    handler.addFilter(lambda record: record.name not in _SAID_OTHERWISE)
    handler.setFormatter(
        _NoTrace(
            processor=structlog.dev.ConsoleRenderer(colors=False),
            foreign_pre_chain=[processors[1], processors[4]],
        )
    )
    return handler


def _file_handler(path: Path, processors: list[Any]) -> logging.Handler:
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(_json_formatter(processors))
    return handler


def _json_handler(processors: list[Any]) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_formatter(processors))
    return handler


def _json_formatter(processors: list[Any]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_event,
            structlog.processors.JSONRenderer(default=str),
        ],
        foreign_pre_chain=processors[:3],
    )


def _log_file(home: Path) -> Path:
    try:
        # The home holds secrets, and this may be the first to make it.
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = home / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / "cpqbridge.log"
        path.touch(mode=0o600, exist_ok=True)
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="cpqbridge-log-")) / "cpqbridge.log"
    return path


def _redact_event(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in list(event.items()):
        if key.startswith("_"):
            continue
        event[key] = _HIDDEN if _SECRET_NAMES.search(key) else redact(value)
    return event
