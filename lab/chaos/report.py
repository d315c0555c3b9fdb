"""Text output shared by `verify` and `verify --viewers`."""

from collections.abc import Mapping, Sequence

MAX_SHOWN = 20


def proof_lines(name: str, violations: Sequence[str], max_shown: int = MAX_SHOWN) -> list[str]:
    """Return one line on whether a proof holds, then its first violations."""
    lines = [f"  {'BROKEN' if violations else 'holds '}  {name}"]
    lines += [f"          {text}" for text in violations[:max_shown]]
    if len(violations) > max_shown:
        lines.append(f"          and {len(violations) - max_shown} more")
    return lines


def counts_text(counts: Mapping[str, int]) -> str:
    """Return counts above zero by name: `engine-1: 3 times, venue: once`, or `none`."""
    times = {
        name: "once" if count == 1 else f"{count} times" for name, count in sorted(counts.items()) if count
    }
    return ", ".join(f"{name}: {text}" for name, text in times.items()) or "none"
