"""The quality of the network from one host to another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Delays and losses in one direction."""

    delay_s: float = 0.0002
    jitter_s: float = 0.0003
    """Added to the delay, between 0 and this."""
    loss: float = 0.0
    """The share of packets that arrive only when they are sent again."""
    cut: float = 0.02
    """The share of packets that arrive in two pieces."""


LOOPBACK = Link(delay_s=0.00002, jitter_s=0.00003)
"""Within a host."""
