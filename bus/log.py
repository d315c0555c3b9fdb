"""Logging: one line per event on standard error, with constant event names.

Example:
    2026-11-21T05:10:27.659Z info engine step_committed symbol=BTC/USDT:USDT step=12
"""

import contextlib
import datetime
import json
import logging
import os
import sys
import traceback
from typing import Self

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Logger:
    """Writes the events of one service. `OPENSQT_LOG` is the lowest level written, `info` by default."""

    def __init__(self, service: str, fields: dict[str, object] | None = None) -> None:
        self._service = service
        self._fields = fields or {}
        self._lowest = LEVELS.get(os.environ.get("OPENSQT_LOG", "info").lower(), LEVELS["info"])

    def bind(self, **fields: object) -> Self:
        """Return a logger that adds these fields to each line."""
        return type(self)(self._service, {**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> None:
        self.write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self.write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self.write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self.write("error", event, fields)

    def write(self, level: str, event: str, fields: dict[str, object]) -> None:
        """Write one line; with `OPENSQT_DEBUG=1` also the tracebacks of exceptions among the fields."""
        if LEVELS[level] < self._lowest:
            return
        time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        pairs = [f"{key}={_text(value)}" for key, value in {**self._fields, **fields}.items()]
        line = " ".join([f"{time}Z", level, self._service, event, *pairs]) + "\n"
        if is_debugging():
            traces = [traceback.format_exception(v) for v in fields.values() if isinstance(v, BaseException)]
            line += "".join(text for trace in traces for text in trace)
        # A full or closed log must not stop the service.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line)
            sys.stderr.flush()


def get_logger(service: str) -> Logger:
    """Return the logger of a service."""
    return Logger(service)


def is_debugging() -> bool:
    """Return whether tracebacks are enabled, by `--debug` or `OPENSQT_DEBUG=1`."""
    return os.environ.get("OPENSQT_DEBUG", "") not in {"", "0"}


def capture_library_logs() -> None:
    """Write the log records of libraries in the same format, from warnings up."""
    root = logging.getLogger()
    if not any(isinstance(handler, _Capture) for handler in root.handlers):
        root.addHandler(_Capture(logging.WARNING))


class _Capture(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, value in LEVELS.items() if record.levelno <= value), "error")
        fields: dict[str, object] = {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["exception"] = record.exc_info[1]
        Logger(record.name).write(level, "library", fields)


def _text(value: object) -> str:
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    text = str(value)
    plain = text.isprintable() and not any(char in text for char in ' "=')
    return text if plain and text else json.dumps(text, ensure_ascii=False)
