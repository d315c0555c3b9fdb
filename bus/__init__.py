"""The message bus (NATS JetStream): connection, streams, leases between processes, service processes.

Read in this order: `errors`, `client.connection`, `streams.topology`, `streams.reader`, `streams.latest`,
`streams.journal`, `streams.registry`, `coordination.lease`, `service.service`.
"""

from bus.attention import Attention
from bus.backoff import Backoff
from bus.client.connection import Bus, Unsubscribe, connect
from bus.client.context import (
    DEFAULT_URL,
    BusContext,
    as_context,
    choose_context,
    context_from_environment,
    read_context,
    write_context,
)
from bus.client.message import Message, Received
from bus.client.trace_context import trace_context
from bus.coordination.lease import DEFAULT_TIMING, Lease, LeaseProvider, NoLeases, Timing, default_name, token
from bus.coordination.lease_group import leases
from bus.coordination.lease_keeper import Leases
from bus.coordination.lock_step import FreeRunning, LockStep, StepGate, grant_step
from bus.errors import (
    Ambiguous,
    BackupFailed,
    BusError,
    Conflict,
    ConnectionClosed,
    Fenced,
    InvalidContext,
    NoResponders,
    NoSpace,
    NotAuthorized,
    NotPermitted,
    OffsetLost,
    Permanent,
    Rejected,
    ServerStartFailed,
    StreamGone,
    TopologyDiffers,
)
from bus.log import Logger, RepeatLimit, get_logger, is_debugging
from bus.parts.heartbeats import Heartbeats
from bus.parts.reader import read_parts
from bus.parts.view import Blocked, PartState, PartsView, PartView
from bus.parts.watchdog import Watchdog
from bus.service.address import reachable_address
from bus.service.embedded_server import EmbeddedServer, embedded_cluster
from bus.service.leaderless_streams import LeaderlessStreams
from bus.service.lifecycle import EXIT_PERMANENT, flatten_errors, forever, run
from bus.service.options import (
    OptionParser,
    add_bus_options,
    add_http_options,
    add_log_options,
    bus_context,
)
from bus.service.server_config import Credentials, ServerLimits, nkey_credentials
from bus.service.service import Service, open_service
from bus.streams.bucket_keeper import keep_entries, preserve_entries
from bus.streams.decoding import decode_or_log, log_undecodable
from bus.streams.history import Batch
from bus.streams.journal import Journal, Newest, newest, record_before
from bus.streams.latest import LatestValues
from bus.streams.offsets import end_of, stored_at
from bus.streams.provision import provision
from bus.streams.reader import last_per_subject, message_count, pending, read, read_durable
from bus.streams.registry import Entry, Registry
from bus.streams.start import FromSequence, FromStart, FromTime, LastPerSubject, NewOnly, Start
from bus.streams.topology import LIVE_PREFIX
from bus.symbols import (
    deregister,
    follow_symbols,
    follow_venue_symbols,
    nothing_registered,
    wait_for_symbols,
)

__all__ = [
    "DEFAULT_TIMING",
    "DEFAULT_URL",
    "EXIT_PERMANENT",
    "LIVE_PREFIX",
    "Ambiguous",
    "Attention",
    "Backoff",
    "BackupFailed",
    "Batch",
    "Blocked",
    "Bus",
    "BusContext",
    "BusError",
    "Conflict",
    "ConnectionClosed",
    "Credentials",
    "EmbeddedServer",
    "Entry",
    "Fenced",
    "FreeRunning",
    "FromSequence",
    "FromStart",
    "FromTime",
    "Heartbeats",
    "InvalidContext",
    "Journal",
    "LastPerSubject",
    "LatestValues",
    "LeaderlessStreams",
    "Lease",
    "LeaseProvider",
    "Leases",
    "LockStep",
    "Logger",
    "Message",
    "NewOnly",
    "Newest",
    "NoLeases",
    "NoResponders",
    "NoSpace",
    "NotAuthorized",
    "NotPermitted",
    "OffsetLost",
    "OptionParser",
    "PartState",
    "PartView",
    "PartsView",
    "Permanent",
    "Received",
    "Registry",
    "Rejected",
    "RepeatLimit",
    "ServerLimits",
    "ServerStartFailed",
    "Service",
    "Start",
    "StepGate",
    "StreamGone",
    "Timing",
    "TopologyDiffers",
    "Unsubscribe",
    "Watchdog",
    "add_bus_options",
    "add_http_options",
    "add_log_options",
    "as_context",
    "bus_context",
    "choose_context",
    "connect",
    "context_from_environment",
    "decode_or_log",
    "default_name",
    "deregister",
    "embedded_cluster",
    "end_of",
    "flatten_errors",
    "follow_symbols",
    "follow_venue_symbols",
    "forever",
    "get_logger",
    "grant_step",
    "is_debugging",
    "keep_entries",
    "last_per_subject",
    "leases",
    "log_undecodable",
    "message_count",
    "newest",
    "nkey_credentials",
    "nothing_registered",
    "open_service",
    "pending",
    "preserve_entries",
    "provision",
    "reachable_address",
    "read",
    "read_context",
    "read_durable",
    "read_parts",
    "record_before",
    "run",
    "stored_at",
    "token",
    "trace_context",
    "wait_for_symbols",
    "write_context",
]
