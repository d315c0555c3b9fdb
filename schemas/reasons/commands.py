"""The outcomes of commands."""

from schemas.engine.control import CommandOutcome
from schemas.reasons.explanation import Explanation

OUTCOMES: dict[str, Explanation] = {
    CommandOutcome.ACCEPTED: Explanation(
        "The engine has taken the command and works on it; another result follows.",
        "Wait for the result. What is still out: ./opensqt status",
    ),
    CommandOutcome.APPLIED: Explanation(
        "The command is complete; what it cancels, the venue has confirmed as ended."
    ),
    CommandOutcome.INCOMPLETE: Explanation(
        "The command was not complete within its time; what is left continues by itself.",
        "If orders stay out, see whether gateway and venue answer with: ./opensqt status",
    ),
    CommandOutcome.UNCHANGED: Explanation("The state was already the one that the command asks for."),
    CommandOutcome.EXPIRED: Explanation(
        "No engine took the command within its lifetime: nothing was done, and it will not be done later.",
        "See whether an engine runs with ./opensqt status, then give the command again.",
    ),
    CommandOutcome.REFUSED: Explanation(
        "Nothing was done.", "The detail says why, and what would be accepted."
    ),
}
