"""The states of parts: the values of `bus.parts.view.PartState`."""

from schemas.reasons.explanation import Explanation

PARTS: dict[str, Explanation] = {
    "ok": Explanation("It sends heartbeats and reports no problem."),
    "degraded": Explanation(
        "It sends heartbeats, and reports problems.",
        "Read the problems that it reports with: ./opensqt status",
    ),
    "silent": Explanation(
        "It has sent no heartbeat for 3 s: it is stopped, hung, or its host is gone.",
        "Continue it (kill -CONT) or end it (kill -KILL), and `up` restarts it. Its process: ./opensqt status",
    ),
    "missing": Explanation(
        "The traded symbols need it, and it does not run.", "Start it; for the command line: ./opensqt status"
    ),
    "unreachable": Explanation(
        "The venue neither sends nor answers; orders there stay open meanwhile.",
        "Check the network and the venue's status page.",
    ),
}
