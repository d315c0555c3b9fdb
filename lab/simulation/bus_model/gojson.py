"""JSON and times as Go's standard library writes and reads them."""

import calendar
import json
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

SECOND_NS = 1_000_000_000
ZERO_TIME = "0001-01-01T00:00:00Z"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPES = str.maketrans(_ESCAPED)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(value: object) -> bytes:
    """Return JSON as Go writes it: no spaces, fields in order, `<`, `>` and `&` escaped."""
    return _encode(value).translate(_ESCAPES).encode()


def decode_object(data: bytes) -> dict[str, Any]:
    """Return the first JSON value in a request, which must be an object or null.

    Raises: ValueError.
    """
    text = data.decode().lstrip(" \t\r\n")
    if not text:
        return {}
    value, _ = json.JSONDecoder().raw_decode(text)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("json: cannot unmarshal into an object")  # noqa: TRY004
    return value


def format_time(time_ns: int) -> str:
    """Return a time like `2026-11-21T05:10:27.65Z`; the zero time for 0."""
    if not time_ns:
        return ZERO_TIME
    seconds, rest = divmod(time_ns, SECOND_NS)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{_whole_seconds(seconds)}{fraction}Z"


@lru_cache(maxsize=64)
def _whole_seconds(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def parse_time(text: str) -> int:
    """Return the nanoseconds since the epoch of a time in RFC 3339.

    Raises: ValueError.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not a time")
    whole, fraction, zone = found.groups()
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    if zone != "Z":
        offset = int(zone[1:3]) * 3600 + int(zone[4:]) * 60
        seconds += offset if zone[0] == "-" else -offset
    return seconds * SECOND_NS + int((fraction or "").ljust(9, "0")[:9])


class Fields:
    """The typed fields of a decoded object. A missing field and null have the zero value of their type.

    All methods raise ValueError when the value has another type.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value

    def text(self, name: str) -> str:
        return str(self._get(name, str, ""))

    def flag(self, name: str) -> bool:
        return bool(self._get(name, bool, False))

    def integer(self, name: str) -> int:
        found = self._value.get(name)
        if found is None:
            return 0
        if type(found) is not int or not -(2**63) <= found < 2**63:
            raise ValueError(f"json: {name} is not a signed integer")
        return found

    def unsigned(self, name: str) -> int:
        found = self._value.get(name)
        if found is None:
            return 0
        if type(found) is not int or not 0 <= found < 2**64:
            raise ValueError(f"json: {name} is not an unsigned integer")
        return found

    def time(self, name: str) -> int | None:
        found = self._get(name, str, None)
        return None if found is None else parse_time(found)

    def texts(self, name: str) -> list[str]:
        found: list[str] = self._get(name, list, [])
        if not all(isinstance(each, str) for each in found):
            raise ValueError(f"json: {name} is not a list of texts")
        return found

    def object(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._get(name, dict, None)
        return found

    def _get(self, name: str, kind: type, missing: Any) -> Any:
        found = self._value.get(name)
        if found is None:
            return missing
        if not isinstance(found, kind):
            raise ValueError(f"json: {name} is not a {kind.__name__}")  # noqa: TRY004
        return found
