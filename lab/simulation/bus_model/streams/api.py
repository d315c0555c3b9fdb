"""The JetStream API: `$JS.API.INFO` and `$JS.API.STREAM.*`. As on the server, unknown endpoints do not reply."""

import base64
import json
from collections.abc import Callable
from typing import Any

from lab.simulation.bus_model import errors
from lab.simulation.bus_model.errors import ApiError, NotModeledError, RequestFailedError
from lab.simulation.bus_model.gojson import Fields, decode_object, encode, format_time
from lab.simulation.bus_model.streams import config as configs
from lab.simulation.bus_model.streams import direct
from lab.simulation.bus_model.streams.config import Config
from lab.simulation.bus_model.streams.info import PlainInfo, cluster_of, state_of
from lab.simulation.bus_model.streams.jetstream import JetStream
from lab.simulation.bus_model.streams.store import Stored
from lab.simulation.bus_model.streams.stream import Stream
from lab.simulation.bus_model.subjects import collide

MAX_SUBJECTS, MAX_NAMES, MAX_LISTED = 100_000, 1024, 256
NOT_MODELED = ("CONSUMER", "STREAM.SNAPSHOT", "STREAM.RESTORE", "META", "ACCOUNT", "SERVER")
WITHOUT_STREAM = frozenset({"INFO", "STREAM.NAMES", "STREAM.LIST"})
NO_PAGE = {"total": 0, "offset": 0, "limit": 0}
UNLIMITED = {
    "max_memory": -1,
    "max_storage": -1,
    "max_streams": -1,
    "max_consumers": -1,
    "max_ack_pending": -1,
    "memory_max_stream_bytes": -1,
    "storage_max_stream_bytes": -1,
    "max_bytes_required": False,
}

Reply = dict[str, Any]
Handler = Callable[[str, bytes], Reply]
"""Takes the name of a stream and the body of a request."""


class Api:
    """Answers requests. `reset` forgets their number, as a restart of the server does."""

    def __init__(
        self, jetstream: JetStream, is_leaderless: Callable[[str], bool], reply: Callable[[str, bytes], None]
    ) -> None:
        """`is_leaderless` tells whether nothing answers for a stream; `reply` publishes on a subject."""
        self._jetstream = jetstream
        self._is_leaderless = is_leaderless
        self._reply = reply
        self._total = self._errors = 0
        self._plain_info = PlainInfo()
        self._handlers: dict[str, tuple[str, Handler, Reply]] = {
            "INFO": ("account_info", self._account, {}),
            "STREAM.NAMES": ("stream_names", self._names, {**NO_PAGE, "streams": None}),
            "STREAM.LIST": ("stream_list", self._list, {**NO_PAGE, "streams": []}),
            "STREAM.CREATE": ("stream_create", self._create, {}),
            "STREAM.UPDATE": ("stream_update", self._update, {}),
            "STREAM.INFO": ("stream_info", self._info, NO_PAGE),
            "STREAM.DELETE": ("stream_delete", self._delete, {}),
            "STREAM.PURGE": ("stream_purge", self._purge, {"purged": 0}),
            "STREAM.MSG.GET": ("stream_msg_get", self._get, {}),
            "STREAM.MSG.DELETE": ("stream_msg_delete", self._delete_message, {}),
        }

    def reset(self) -> None:
        self._total = self._errors = 0

    def count_error(self) -> None:
        """Count a request that failed before it came here."""
        self._total += 1
        self._errors += 1

    def request(self, subject: str, reply: str, block: bytes, data: bytes) -> None:
        """Carry out a request and reply to it.

        Raises: NotModeledError.
        """
        endpoint = subject.removeprefix("$JS.API.")
        if endpoint.startswith(NOT_MODELED):
            raise NotModeledError(f"endpoint {subject}")
        name = ""
        if endpoint not in self._handlers:
            endpoint, _, name = endpoint.rpartition(".")
        if endpoint not in self._handlers or (not name) is not (endpoint in WITHOUT_STREAM):
            return
        kind, handler, on_error = self._handlers[endpoint]
        if self._is_leaderless(name):
            return
        if (
            endpoint == "STREAM.INFO"
            and not data
            and not block
            and (stream := self._jetstream.streams.get(name))
        ):
            self._total += 1
            now_ns = self._jetstream.now_ns
            self._reply(reply, self._plain_info.encode(kind, stream, self._jetstream.name, now_ns))
            return
        answer: Reply = {"type": f"io.nats.jetstream.api.v1.{kind}_response"}
        is_counted = True
        try:
            if direct.requires_newer_api(block):
                raise RequestFailedError(errors.API_LEVEL)
            answer |= handler(name, data)
            is_counted = endpoint != "STREAM.MSG.GET"
        except RequestFailedError as error:
            answer |= {"error": error.error._asdict(), **on_error}
            self._errors += error.is_counted
        self._total += is_counted
        self._reply(reply, encode(answer))

    def _account(self, _name: str, _data: bytes) -> Reply:
        jetstream = self._jetstream
        return {
            "memory": jetstream.used_bytes(is_file=False),
            "storage": jetstream.used_bytes(is_file=True),
            "reserved_memory": jetstream.reserved_bytes(is_file=False),
            "reserved_storage": jetstream.reserved_bytes(is_file=True),
            "streams": len(jetstream.streams),
            "consumers": 0,
            "limits": UNLIMITED,
            "api": {"level": configs.API_LEVEL, "total": self._total, "errors": self._errors},
        }

    def _create(self, name: str, data: bytes) -> Reply:
        jetstream, config = self._jetstream, configs.with_static_metadata(_parsed(data, configs.parse))
        if name != config.name:
            raise RequestFailedError(errors.NAME_MISMATCH)
        if "\\" in name or "/" in name:
            raise RequestFailedError(errors.SEPARATORS_IN_NAME)
        if config.sealed:
            text = "stream configuration for create can not be sealed"
            raise RequestFailedError(errors.INVALID_CONFIG.with_text(err=text))
        if decode_object(data).get("storage"):  # otherwise only when the default is known, below
            self._check_space(config, config.max_bytes if config.max_bytes >= 0 else 1)
        config = configs.checked(config)
        configs.check_replicas(config, jetstream.servers)
        stream = jetstream.streams.get(name)
        if stream is not None and stream.config != config:
            raise RequestFailedError(errors.NAME_IN_USE)
        if stream is None:
            self._check_space(config, config.max_bytes if config.max_bytes >= 0 else 1)
            self._check_overlap(config)
            if config.compression != "none":
                raise NotModeledError("compression")
            stream = jetstream.create(config)
        return self._stream_info(stream) | {"did_create": True}

    def _update(self, name: str, data: bytes) -> Reply:
        jetstream, config = self._jetstream, configs.checked(_parsed(data, configs.parse))
        if name != config.name:
            raise RequestFailedError(errors.NAME_MISMATCH)
        stream = self._stream(name)
        old = stream.config
        config = configs.check_update(old, configs.with_static_metadata(config), jetstream.servers)
        self._check_space(config, max(max(config.max_bytes, 0) - max(old.max_bytes, 0), 0))
        self._check_overlap(config)
        jetstream.reconfigure(stream, config)
        return self._stream_info(stream)

    def _info(self, name: str, data: bytes) -> Reply:
        fields, is_object = Fields({}), data.lstrip(b" \t\r\n")[:1] in {b"{", b"["}
        if is_object:
            fields = _parsed(data, Fields)
        offset = max(_read(fields.integer, "offset"), 0)
        has_details, subject = _read(fields.flag, "deleted_details"), _read(fields.text, "subjects_filter")
        stream = self._stream(name)
        info = self._stream_info(stream, has_details=has_details, leader=self._jetstream.name)
        page = {"total": 0, "offset": 0, "limit": 0}
        if subject and (totals := stream.store.totals(subject)):
            names = sorted(totals)
            page = {"total": len(names), "offset": offset, "limit": MAX_SUBJECTS}
            shown = {each: totals[each] for each in names[offset : offset + MAX_SUBJECTS]}
            if shown:
                info["state"] = _inserted(info["state"], "num_subjects", "subjects", shown)
        return page | info

    def _delete(self, name: str, data: bytes) -> Reply:
        if not _is_empty(data):
            raise RequestFailedError(errors.NOT_EMPTY_REQUEST)
        self._jetstream.delete(self._stream(name))
        return {"success": True}

    def _purge(self, name: str, data: bytes) -> Reply:
        subject, before, keep = "", 0, 0
        if data.lstrip(b" \t\r\n")[:1] in {b"{", b"["}:
            fields = _parsed(data, Fields)
            subject = _read(fields.text, "filter")
            before, keep = _read(fields.unsigned, "seq"), _read(fields.unsigned, "keep")
            if before and keep:
                raise RequestFailedError(errors.BAD_REQUEST)
        stream = self._stream(name)
        if stream.config.sealed:
            raise RequestFailedError(errors.SEALED)
        if stream.config.deny_purge:
            raise RequestFailedError(errors.PURGE_FAILED.with_text(err="stream purge not permitted"))
        return {"success": True, "purged": stream.store.purge(subject, before, keep)}

    def _get(self, name: str, data: bytes) -> Reply:
        if _is_empty(data):
            raise RequestFailedError(errors.BAD_REQUEST)
        request = _parsed(data, lambda _: direct.parse_request(data))
        asks = request.seq or request.last_by_subj or request.next_by_subj or request.start_time is not None
        last = request.last_by_subj
        is_contradictory = request.seq > 0 and (last or request.start_time is not None)
        is_contradictory = is_contradictory or (
            last and (request.start_time is not None or request.next_by_subj)
        )
        if request.batch > 0 or request.max_bytes > 0 or not asks or is_contradictory:
            raise RequestFailedError(errors.BAD_REQUEST)
        store = self._stream(name).store
        start = request.seq if request.start_time is None else store.sequence_at(request.start_time)
        found: Stored | None
        if request.next_by_subj:
            found = store.load_next(request.next_by_subj, start)
        elif start > 0:
            found = store.messages.get(start)
        else:
            found = store.load_last(last)
        if found is None:
            raise RequestFailedError(errors.NO_MESSAGE_FOUND)
        return {"message": _stored(found, has_headers=not request.no_hdr)}

    def _delete_message(self, name: str, data: bytes) -> Reply:
        if _is_empty(data):
            raise RequestFailedError(errors.BAD_REQUEST)
        fields = _parsed(data, Fields)
        sequence = _read(fields.unsigned, "seq")
        _read(fields.flag, "no_erase")
        stream = self._stream(name)
        if stream.config.sealed:
            raise RequestFailedError(errors.SEALED)
        if stream.config.deny_delete:
            raise RequestFailedError(errors.DELETE_FAILED.with_text(err="message delete not permitted"))
        store = stream.store
        if store.is_file and not (store.messages and store.first <= sequence <= store.last and sequence):
            text = "stream store EOF" if sequence > store.last else "no message found"
            raise RequestFailedError(errors.DELETE_FAILED.with_text(err=text), is_counted=False)
        if not store.remove(sequence):
            raise RequestFailedError(errors.SEQUENCE_NOT_FOUND.with_text(seq=sequence), is_counted=False)
        return {"success": True}

    def _names(self, _name: str, data: bytes) -> Reply:
        streams, offset = self._filtered(data)
        names: list[str] | None = [each.name for each in streams[offset : offset + MAX_NAMES]] or None
        return {"total": len(streams), "offset": offset, "limit": MAX_NAMES, "streams": names}

    def _list(self, _name: str, data: bytes) -> Reply:
        streams, offset = self._filtered(data)
        listed = [self._stream_info(each, version="") for each in streams[offset : offset + MAX_LISTED]]
        return {"total": len(streams), "offset": offset, "limit": MAX_LISTED, "streams": listed}

    def _filtered(self, data: bytes) -> tuple[list[Stream], int]:
        offset, subject = 0, ""
        if data.lstrip(b" \t\r\n")[:1] in {b"{", b"["}:
            fields = _parsed(data, Fields)
            offset, subject = max(_read(fields.integer, "offset"), 0), _read(fields.text, "subject")
        streams = sorted(self._jetstream.streams.values(), key=lambda each: each.name)
        if subject:
            streams = [each for each in streams if any(collide(subject, one) for one in each.config.subjects)]
        return streams, min(offset, len(streams))

    def _stream(self, name: str) -> Stream:
        stream = self._jetstream.streams.get(name)
        if stream is None:
            raise RequestFailedError(errors.STREAM_NOT_FOUND)
        return stream

    def _check_overlap(self, config: Config) -> None:
        others = (each.config for each in self._jetstream.streams.values() if each.name != config.name)
        if any(configs.overlap(config.subjects, each.subjects) for each in others):
            raise RequestFailedError(errors.SUBJECTS_OVERLAP)

    def _check_space(self, config: Config, added: int) -> None:
        is_file = config.storage == "file"
        if not self._jetstream.may_reserve(added, is_file=is_file):
            raise RequestFailedError(errors.STORAGE_EXCEEDED if is_file else errors.MEMORY_EXCEEDED)

    def _stream_info(
        self, stream: Stream, *, has_details: bool = False, leader: str = "", version: str = configs.VERSION
    ) -> Reply:
        store = stream.store
        state = state_of(store)
        if has_details and "num_deleted" in state:
            every = range(store.first, store.last + 1)
            state["deleted"] = [each for each in every if each not in store.messages]
        elif has_details and store.is_file and not store.last and not store.first:
            state |= {"num_deleted": 1, "deleted": [0]}  # so says a file store that never had a message
        state["consumer_count"] = 0
        info: Reply = {
            "config": stream.config.wire(version),
            "created": format_time(stream.created_ns),
            "state": state,
        }
        if leader:
            info["cluster"] = cluster_of(stream, leader)
        return info | {"ts": format_time(self._jetstream.now_ns)}


def _stored(message: Stored, *, has_headers: bool) -> Reply:
    found: Reply = {"subject": message.subject, "seq": message.sequence}
    if message.headers and has_headers:
        found["hdrs"] = base64.b64encode(message.headers).decode()
    if message.data:
        found["data"] = base64.b64encode(message.data).decode()
    return found | {"time": format_time(message.time_ns)}


def _parsed(data: bytes, parse: Callable[[Reply], Any]) -> Any:
    return _read(lambda body: parse(decode_object(body)), data)


def _read(read: Callable[[Any], Any], argument: object) -> Any:
    """Call a function that reads a request; its ValueError becomes the error reply."""
    try:
        return read(argument)
    except ValueError as error:
        raise RequestFailedError(ApiError(*errors.INVALID_JSON).with_text(err=error)) from None


def _is_empty(data: bytes) -> bool:
    """Return whether a body is empty, or an object without fields."""
    if not data:
        return True
    try:
        value = json.loads(data)
    except ValueError:
        return False
    return isinstance(value, dict) and not value


def _inserted(value: Reply, after: str, name: str, added: object) -> Reply:
    """Return an object with a field added behind another one."""
    found: Reply = {}
    for key, each in value.items():
        found[key] = each
        if key == after:
            found[name] = added
    return found
