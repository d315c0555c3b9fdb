"""The table of all codes, and the explanation of a case."""

import re
from collections.abc import Mapping
from enum import StrEnum

from schemas.engine.control import CommandOutcome
from schemas.engine.events import ReconciliationFinding
from schemas.grid.view import NotQuoting
from schemas.reasons.alerts import ALERTS, SELF_EXPLANATORY
from schemas.reasons.commands import OUTCOMES
from schemas.reasons.explanation import Explanation
from schemas.reasons.guards import GUARDS
from schemas.reasons.log_events import LOG_EVENTS
from schemas.reasons.orders import DECISIONS, FINDINGS, REJECTIONS
from schemas.reasons.parts import PARTS
from schemas.reasons.quoting import QUOTING
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import RejectReason


class Kind(StrEnum):
    """What a code is about. A code may occur in several kinds: `exposure_limit`."""

    NOT_QUOTING = "not_quoting"
    GUARD = "guard"
    ALERT = "alert"
    REJECTION = "rejection"
    FINDING = "finding"
    OUTCOME = "outcome"
    DECISION = "decision"
    PART = "part"
    LOG = "log"


TABLE: dict[Kind, Mapping[str, Explanation]] = {
    Kind.NOT_QUOTING: QUOTING,
    Kind.GUARD: GUARDS,
    Kind.ALERT: ALERTS,
    Kind.REJECTION: REJECTIONS,
    Kind.FINDING: FINDINGS,
    Kind.OUTCOME: OUTCOMES,
    Kind.DECISION: {each: DECISIONS.get(each) or QUOTING[NotQuoting(each)] for each in DecisionReason},
    Kind.PART: PARTS,
    Kind.LOG: LOG_EVENTS,
}
"""The explanation of every code, by kind. What an operator looks up first comes first."""
_KINDS: dict[type, Kind] = {
    NotQuoting: Kind.NOT_QUOTING,
    RejectReason: Kind.REJECTION,
    ReconciliationFinding: Kind.FINDING,
    CommandOutcome: Kind.OUTCOME,
    DecisionReason: Kind.DECISION,
}
_PLACEHOLDER = re.compile(r"\b(VENUE|SYMBOL)\b")


def explain(
    code: str,
    detail: str = "",
    *,
    kind: Kind | None = None,
    venue: str = "",
    symbol: str = "",
    by: str = "",
) -> Explanation:
    """Return a code in words, with the detail of the case, and who caused it and why: `alice: maintenance`.

    `kind` may be omitted for a member of an enum. Venue and symbol are filled into the command lines; without them the
    lines keep the placeholders. A code that this version does not know is explained by its own words and its detail.
    """
    kind = kind or _KINDS[type(code)]
    found = TABLE[kind].get(code) or Explanation(f"{code.replace('_', ' ').capitalize()}.", "")
    sentence, remedy = found
    detail = "" if detail == by else detail
    if detail and kind is Kind.ALERT and code in SELF_EXPLANATORY:
        sentence, remedy = f"{detail.removesuffix('.')}.", ""
    elif detail:
        sentence = f"{sentence.removesuffix('.')}: {detail.removesuffix('.')}."
    if by and by not in detail:
        sentence = f"{sentence} By {by.removesuffix('.')}."
    known = {"VENUE": venue, "SYMBOL": symbol}
    return Explanation(sentence, _PLACEHOLDER.sub(lambda match: known[match[0]] or match[0], remedy))
