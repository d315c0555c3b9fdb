"""Logging: one line per event on standard error, as text or JSON, with constant event names.

What strangers can trigger is logged through `RepeatLimit`, and the log file of a part is rotated while it runs, so that
a log cannot fill the disk.

Example:
    2026-11-21T05:10:27.659Z info engine step_committed symbol=BTC/USDT:USDT step=12
    {"time": "2026-11-21T05:10:27.659Z", "level": "info", "service": "engine", "event": "step_committed", "step": 12}
"""

import asyncio
import contextlib
import datetime
import json
import logging
import math
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.runtime import monotonic_s, time_s

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
SILENT_LEVEL, SILENT = "critical", 50
"""A level of the environment variable at which nothing is written: no event is critical."""
TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)

FORMAT_VARIABLE = "OPENSQT_LOG_FORMAT"
LEVEL_VARIABLE = "OPENSQT_LOG_LEVEL"
OLD_LEVEL_VARIABLE = "OPENSQT_LOG"
"""Environment variables of the format and of the lowest level that is written; the last is a synonym of the second."""

RESERVED_KEYS = frozenset({"time", "level", "service", "event"})

FILE_VARIABLE = "OPENSQT_LOG_FILE"
"""Environment variable with the path of the file that standard error is appended to, if this process rotates it."""

MAX_FILE_BYTES = 20_000_000
"""A larger log file is renamed to `NAME.log.1`, which replaces the previous one of that name."""

CHECK_EVERY_BYTES = 1_000_000
"""Bytes logged between two checks of the file's size."""

REPEAT_S = 60.0
"""Time in which repeats of an event are counted instead of logged."""

MAX_KEY_CHARS = 80

MAX_REPEAT_KEYS = 100
"""Kinds of repeats that are counted separately; further ones of an event are counted together."""


class _Settings:
    """Format and level of this process; a level of None is that of the environment when the logger was made."""

    def __init__(self) -> None:
        self.is_json = os.environ.get(FORMAT_VARIABLE) == JSON
        self.lowest: int | None = None
        self.program = "opensqt"


_settings = _Settings()


def configure_log(
    level: str | None = None, log_format: str | None = None, program: str | None = None
) -> None:
    """Set level and format of all loggers of this process and of its children; None leaves the environment's."""
    if program is not None:
        _settings.program = program
    if level is not None:
        os.environ[LEVEL_VARIABLE] = level
    if log_format is not None:
        os.environ[FORMAT_VARIABLE] = log_format
    _settings.is_json = os.environ.get(FORMAT_VARIABLE) == JSON
    _settings.lowest = _lowest_level() if level is not None else None


def is_json_log() -> bool:
    """Return whether lines are JSON objects."""
    return _settings.is_json


def write_error(text: str, service: str | None = None) -> None:
    """Write the error by which a program ends: `error: port 8080 is in use`, or the event `failed`."""
    if _settings.is_json:
        Logger(service or _settings.program).error("failed", detail=text)
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"error: {text}\n")


def _lowest_level() -> int:
    name = os.environ.get(LEVEL_VARIABLE) or os.environ.get(OLD_LEVEL_VARIABLE) or "info"
    return SILENT if name.lower() == SILENT_LEVEL else LEVELS.get(name.lower(), LEVELS["info"])


class Logger:
    """Writes the events of one service, from the configured level up: `info` by default."""

    def __init__(self, service: str, fields: dict[str, object] | None = None) -> None:
        self._service = service
        self._fields = fields or {}
        self._lowest = _lowest_level()

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
        lowest = self._lowest if _settings.lowest is None else _settings.lowest
        if LEVELS[level] < lowest:
            return
        time = datetime.datetime.fromtimestamp(time_s(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        traces: list[str] = []
        if is_debugging():
            errors = [value for value in fields.values() if isinstance(value, BaseException)]
            traces = [text for error in errors for text in traceback.format_exception(error)]
        fields = {**self._fields, **fields}
        if _settings.is_json:
            line = _json_line(f"{time}Z", level, self._service, event, fields, traces)
        else:
            pairs = [f"{key}={_text(value)}" for key, value in fields.items()]
            line = " ".join([f"{time}Z", level, self._service, event, *pairs]) + "\n" + "".join(traces)
        # A full or closed log must not stop the service.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line)
            sys.stderr.flush()
            _log_file.count(len(line))


class _LogFile:
    """Renames the file behind standard error when it has become too large, and continues in a new one."""

    def __init__(self) -> None:
        path = os.environ.get(FILE_VARIABLE, "")
        self._path = Path(path) if path else None
        self._unchecked_bytes = 0

    def count(self, size: int) -> None:
        """Note that `size` bytes were written. Raises: OSError."""
        if self._path is None:
            return
        self._unchecked_bytes += size
        if self._unchecked_bytes >= CHECK_EVERY_BYTES:
            self._unchecked_bytes = 0
            self._rotate(self._path)

    def _rotate(self, path: Path) -> None:
        written, descriptor = os.fstat(sys.stderr.fileno()), sys.stderr.fileno()
        # Another process rotates the file of that name.
        if written.st_size <= MAX_FILE_BYTES or not os.path.samestat(written, path.stat()):
            return
        path.replace(path.with_name(f"{path.name}.1"))
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, written.st_mode & 0o777)
        os.dup2(new, descriptor)
        os.close(new)


_log_file = _LogFile()


class _Repeats:
    """The repeats of one event since it was logged."""

    __slots__ = ("count", "until_s")

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s
        self.count = 0


class RepeatLimit:
    """Logs an event once per `every_s` and key, and how often it was repeated.

    Example: `origin_rejected origin=https://example.org`, and a minute later the same with `repeated=812`.
    """

    def __init__(self, every_s: float = REPEAT_S, max_keys: int = MAX_REPEAT_KEYS) -> None:
        self._every_s = every_s
        self._max_keys = max_keys
        self._repeats: dict[tuple[str, str], _Repeats] = {}

    def write(self, log: Logger, level: str, event: str, key: str, **fields: object) -> None:
        """Log an event, or count it if it was logged with this key within `every_s`."""
        now_s = monotonic_s()
        known = self._repeats.get((event, key))
        if known is None and len(self._repeats) >= self._max_keys:
            self._discard_old(now_s)
            key = key if len(self._repeats) < self._max_keys else ""
            known = self._repeats.get((event, key))
        if known is not None and now_s < known.until_s:
            known.count += 1
            if known.count == 1:
                self._report_later(known.until_s - now_s, log, level, event, key, fields)
            return
        repeated = {"repeated": known.count} if known is not None and known.count else {}
        self._repeats[event, key] = _Repeats(now_s + self._every_s)
        log.write(level, event, {**fields, **repeated})

    def _report_later(
        self, delay_s: float, log: Logger, level: str, event: str, key: str, fields: dict[str, object]
    ) -> None:
        def report() -> None:
            known = self._repeats.pop((event, key), None)
            if known is not None and known.count:
                log.write(level, event, {**fields, "repeated": known.count})

        # Without an event loop the number is in the next line of the event.
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_later(delay_s, report)

    def _discard_old(self, now_s: float) -> None:
        for each in [each for each, known in self._repeats.items() if now_s >= known.until_s]:
            del self._repeats[each]


def get_logger(service: str) -> Logger:
    """Return the logger of a service."""
    return Logger(service)


def is_debugging() -> bool:
    """Return whether tracebacks are enabled, by `--debug` or `OPENSQT_DEBUG=1`."""
    return os.environ.get("OPENSQT_DEBUG", "") not in {"", "0"}


def capture_library_logs() -> None:
    """Write the log records of libraries in the same format, from warnings up; as JSON also uncaught exceptions."""
    root = logging.getLogger()
    if _settings.is_json:
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
    if not any(isinstance(handler, _Capture) for handler in root.handlers):
        root.addHandler(_Capture(logging.WARNING))


class _Capture(logging.Handler):
    _repeat_limit = RepeatLimit()

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, value in LEVELS.items() if record.levelno <= value), "error")
        fields: dict[str, object] = {"message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["exception"] = record.exc_info[1]
        # The first line of the unformatted message names what happened; what follows may differ each time.
        key = f"{record.name} {level} {str(record.msg).partition(chr(10))[0][:MAX_KEY_CHARS]}"
        self._repeat_limit.write(Logger(record.name), level, "library", key, **fields)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    text = "".join(traceback.format_exception(kind, error, trace))
    Logger("python").error("uncaught_exception", detail=f"{kind.__name__}: {error}", traceback=text)


def _json_line(
    time: str, level: str, service: str, event: str, fields: dict[str, object], traces: list[str]
) -> str:
    line: dict[str, object] = {"time": time, "level": level, "service": service, "event": event}
    for key, value in fields.items():
        line[f"{key}_" if key in RESERVED_KEYS else key] = _json_value(value)
    if traces:
        line["traceback"] = "".join(traces)
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"


def _json_value(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return str(value)


def _text(value: object) -> str:
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    text = str(value)
    plain = text.isprintable() and not any(char in text for char in ' "=')
    return text if plain and text else json.dumps(text, ensure_ascii=False)
