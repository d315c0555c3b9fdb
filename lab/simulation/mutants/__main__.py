"""Command line: `python -m lab.simulation.mutants [NAME...] [--seeds N] [--jobs J]`.

Exit codes: 0 each mutant is found, 1 one is not, 2 the arguments are wrong.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from cli.console import Console, table
from lab.simulation.campaign.examine import pool
from lab.simulation.mutants.search import MUTANTS, Finding, search

FOUND, NOT_FOUND = 0, 1
MAX_SEEDS = 1000
MAX_TEXT = 240
"""Characters of a problem that are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look for mutants and print with how many seeds each is found; return 1 when one is not."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if unknown := [name for name in args.names if name not in MUTANTS]:
        parser.error(f"there is no mutant {unknown[0]!r}: choose from the list of --help")
    if not 1 <= args.seeds <= MAX_SEEDS:
        parser.error(f"--seeds must be 1 to {MAX_SEEDS}")
    console = Console()
    findings = []
    for finding in _findings(args.names or list(MUTANTS), range(1, args.seeds + 1), args.jobs):
        findings.append(finding)
        console.print(_line(finding))
    missed = [each.name for each in findings if not each.is_found]
    console.print(f"{len(findings) - len(missed)} of {len(findings)} mutants are found")
    if missed:
        console.print(f"NOT FOUND: {', '.join(sorted(missed))}")
    return NOT_FOUND if missed else FOUND


def _findings(names: Sequence[str], seeds: range, jobs: int) -> Iterator[Finding]:
    with pool(jobs) as processes:
        yield from processes.imap_unordered(partial(search, seeds=seeds), names)


def _line(finding: Finding) -> str:
    seeds = f"{finding.seeds} seed{'s' if finding.seeds > 1 else ''}"
    cost = f"{finding.simulated_s / 3600:.2f} h simulated, {finding.cpu_s:.0f} s of CPU"
    verdict = f"found with {seeds}" if finding.is_found else f"NOT FOUND with {seeds}"
    return "\n".join(
        [
            f"{finding.name}: {verdict} ({cost})",
            *([f"  {finding.problem[:MAX_TEXT]}"] if finding.is_found else []),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    rows = [[each.name, each.text, ", ".join(each.faults) or "none"] for each in MUTANTS.values()]
    parser = argparse.ArgumentParser(
        prog="python -m lab.simulation.mutants",
        description="Put protocol errors into the simulated system, one at a time, and run seeds with each until a proof "
        "fails. An error that no seed shows is a hole in the faults or in the proofs.",
        epilog=f"{table(['MUTANT', 'WHAT IT DOES', 'FAULTS'], rows)}\n\n"
        "exit codes: 0 each mutant is found, 1 one is not, 2 wrong arguments",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants of the list below (all)")
    parser.add_argument(
        "--seeds", type=int, default=20, metavar="N", help="the most seeds for each, from 1 on (%(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
