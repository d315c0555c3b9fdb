"""The table of reasons as Markdown, generated from `schemas.reasons`."""

from collections.abc import Iterator

from schemas.reasons.table import TABLE, Kind

INTRODUCTION = """\
# Reasons

Every code that page, `status`, `tap`, logs and API show: what it means and what to do. The same
sentences are shown there, with the venue and symbol of the case in the command lines; `GET
/api/reasons` serves them. Generated from `schemas/reasons` by `./opensqt schema --reasons`; a test
compares the two.
"""
HEADINGS: dict[Kind, tuple[str, str]] = {
    Kind.NOT_QUOTING: ("Not quoting", "Why a symbol has no opening orders: `not_quoting`."),
    Kind.GUARD: ("Guards", "`reason` of `engine.V.S.risk`: what it means while the guard is active."),
    Kind.ALERT: ("Alerts", "`code` of `alert.V.S`. The end of an alert has the code of its begin."),
    Kind.REJECTION: (
        "Rejected orders",
        "`reject_reason` of `order.V.S.report`: rejected by the venue, or not sent by the gateway.",
    ),
    Kind.FINDING: ("Findings of a reconciliation", "`finding` of `engine.V.S.reconciled`."),
    Kind.OUTCOME: ("Outcomes of commands", "`outcome` of `control.V.S.result`."),
    Kind.DECISION: (
        "Decisions",
        "`reason_code` of `engine.V.S.decision`: why an order is placed, canceled or queried.",
    ),
    Kind.PART: ("States of parts", "The states that `status` and the page show of a part or venue."),
    Kind.LOG: ("Log events", "The event, the fourth word of a line in `DATA/logs`."),
}


def text() -> str:
    """Return the document."""
    return "\n".join([INTRODUCTION, *(_section(kind) for kind in TABLE)])


def _section(kind: Kind) -> str:
    title, subtitle = HEADINGS[kind]
    rows = "\n".join(_rows(kind))
    return f"## {title}\n\n{subtitle}\n\n| code | meaning | what to do |\n|---|---|---|\n{rows}\n"


def _rows(kind: Kind) -> Iterator[str]:
    for code, (sentence, remedy) in sorted(TABLE[kind].items()):
        yield f"| `{code}` | {sentence} | {_with_code(remedy)} |"


def _with_code(remedy: str) -> str:
    """Return a remedy whose command line, up to its end, is marked as code."""
    words, mark, command = remedy.partition("./opensqt ")
    if not mark:
        return remedy
    end = command.find(", then")
    command, rest = (command[:end], command[end:]) if end >= 0 else (command, "")
    return f"{words}`{mark}{command}`{rest}"
