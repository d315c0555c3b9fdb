"""Taking part in the bus: connect, provision, store, read, commit, and live and die as a part.

Read in this order: `errors`, `connection`, `reading`, `levels`, `journal`, `topology`, `part`.
"""

from bus.connection import Bus, Unsubscribe, connect
from bus.consumer import EachLast, Everything, FromSequence, FromTime, NewOnly, Start
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
from bus.journal import Journal, Newest, newest
from bus.lease import TIMING, Leases, Timing, leases
from bus.levels import Levels
from bus.lifecycle import forever, leaves, run
from bus.log import Logger, get_logger, is_debugging
from bus.message import Message, Received
from bus.part import Part, part
from bus.pending import pending
from bus.provision import provision
from bus.reading import Batch, read, read_durable
from bus.registry import Entry, Registry
from bus.roster import follow_roster, take_off_roster
from bus.server import EmbeddedServer, embedded_cluster
from bus.tenure import Lease, Tenure, Unleased, default_name, token
from bus.turns import FreeRunning, LockStep, Turns, give_turn

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
