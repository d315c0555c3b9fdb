"""Taking part in the bus: connect, provision, store, read, commit, and live and die as a part.

Read in this order: `errors`, `connection`, `reading`, `levels`, `journal`, `topology`, `part`.
"""

from bus.client.connection import Bus, Unsubscribe, connect
from bus.client.consumer import EachLast, Everything, FromSequence, FromTime, NewOnly, Start
from bus.client.message import Message, Received
from bus.coordination.lease import TIMING, Leases, Timing, leases
from bus.coordination.lock_step import FreeRunning, LockStep, Turns, give_turn
from bus.coordination.tenure import Lease, Tenure, Unleased, default_name, token
from bus.errors import (
    Ambiguous,
    BusError,
    Conflict,
    ConnectionClosed,
    Fenced,
    NoResponders,
    NoSpace,
    OffsetLost,
    Refused,
    ServerStartFailed,
    StreamGone,
    TopologyDiffers,
)
from bus.log import Logger, get_logger, is_debugging
from bus.service.embedded_server import EmbeddedServer, embedded_cluster
from bus.service.lifecycle import forever, leaves, run
from bus.service.service import Part, part
from bus.streams.journal import Journal, Newest, newest
from bus.streams.latest import Levels
from bus.streams.pending import pending
from bus.streams.provision import provision
from bus.streams.reader import Batch, read, read_durable
from bus.streams.registry import Entry, Registry
from bus.symbols import follow_roster, take_off_roster

__all__ = [
    "TIMING",
    "Ambiguous",
    "Batch",
    "Bus",
    "BusError",
    "Conflict",
    "ConnectionClosed",
    "EachLast",
    "EmbeddedServer",
    "Entry",
    "Everything",
    "Fenced",
    "FreeRunning",
    "FromSequence",
    "FromTime",
    "Journal",
    "Lease",
    "Leases",
    "Levels",
    "LockStep",
    "Logger",
    "Message",
    "NewOnly",
    "Newest",
    "NoResponders",
    "NoSpace",
    "OffsetLost",
    "Part",
    "Received",
    "Refused",
    "Registry",
    "ServerStartFailed",
    "Start",
    "StreamGone",
    "Tenure",
    "Timing",
    "TopologyDiffers",
    "Turns",
    "Unleased",
    "Unsubscribe",
    "connect",
    "default_name",
    "embedded_cluster",
    "follow_roster",
    "forever",
    "get_logger",
    "give_turn",
    "is_debugging",
    "leases",
    "leaves",
    "newest",
    "part",
    "pending",
    "provision",
    "read",
    "read_durable",
    "run",
    "take_off_roster",
    "token",
]
