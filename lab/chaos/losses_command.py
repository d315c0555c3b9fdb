"""`opensqt verify --losses`: argument parsing and output."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from cli.config.file import DEFAULT_FILE, load
from cli.console import Console, table
from cli.errors import CommandError
from lab.chaos.loss_runner import BOOKS, IDS_ONCE, LossResult, LossSettings, run_losses, run_restore
from lab.chaos.losses import ALL_STREAMS, Case, LossKind, pair_cases, single_cases
from lab.chaos.report import counts_text, proof_lines
from lab.chaos.runner import with_volatile_market

ALL_KINDS = ",".join(LossKind)
HEAD = ["LOSS", "TRADING AFTER", "ORDER IDS", "BOOKS", "OTHER PROOFS", "WHAT HAPPENED"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `verify --losses`; return 0 when every case holds, 1 when one does not, 2 when the run failed to start."""
    parser = _parser()
    args = parser.parse_args(arguments)
    cases = _cases(parser, args)
    root = args.data_dir or Path(tempfile.mkdtemp(prefix="opensqt-losses-"))
    # With --json the standard output is the one object.
    console = Console(sys.stderr if args.json else None)
    try:
        settings = LossSettings(
            configuration=with_volatile_market(load(args.config), args.volatility),
            root=root.absolute(),
            engines=args.engines,
            gateways=args.gateways,
            older_s=args.older,
            trade_timeout_s=args.timeout,
        )
        results = asyncio.run(
            _run(settings, cases, console, is_whole_bus_restored=_is_whole_bus_restored(args))
        )
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(results)).decode())
    else:
        console.print(report(results))
    is_success = all(result.holds for result in results)
    if is_success and args.data_dir is None:
        shutil.rmtree(root, ignore_errors=True)
    return 0 if is_success else 1


async def _run(
    settings: LossSettings, cases: Sequence[Case], console: Console, *, is_whole_bus_restored: bool
) -> list[LossResult]:
    results = await run_losses(settings, cases, console.print)
    if is_whole_bus_restored:
        results.append(await run_restore(settings, console.print))
    return results


def _is_whole_bus_restored(args: argparse.Namespace) -> bool:
    is_complete = not args.pairs and not args.streams
    return is_complete and LossKind.RESTORE in args.losses.split(",")


def report(results: Sequence[LossResult]) -> str:
    """Return the results as a table, then the violations of each failed case."""
    rows = [
        [
            " + ".join(result.losses),
            "never" if result.trading_after_s is None else f"{result.trading_after_s:.1f} s",
            _verdict(result, {IDS_ONCE}, "sent once", "SENT TWICE"),
            _verdict(result, {BOOKS}, "agree", "DIFFER"),
            _verdict(result, result.violations.keys() - {IDS_ONCE, BOOKS}, "hold", "BROKEN"),
            counts_text({**result.alerts, **result.log_events}),
        ]
        for result in results
    ]
    lines = [table(HEAD, rows, frozenset({1}))]
    for result in results:
        if not result.holds:
            lines += ["", f"{' + '.join(result.losses)}: data kept in {result.data}"]
            if result.not_trading:
                lines.append(f"  no new order in {', '.join(result.not_trading)}")
            for name, found in result.violations.items():
                lines += proof_lines(name, found) if found else []
    failed = sum(not result.holds for result in results)
    lines += ["", f"{len(results)} cases, {failed} failed"]
    return "\n".join(lines)


def _verdict(result: LossResult, proofs: Collection[str], good: str, bad: str) -> str:
    return bad if any(result.violations.get(name) for name in proofs) else good


def _cases(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[Case]:
    kinds = [word for word in args.losses.split(",") if word]
    streams = [word for word in args.streams.split(",") if word] or list(ALL_STREAMS)
    for word in kinds:
        if word not in set(LossKind):
            parser.error(f"--losses {word}: choose from {ALL_KINDS}")
    for word in streams:
        if word not in ALL_STREAMS:
            parser.error(f"--streams {word}: choose from {','.join(ALL_STREAMS)}")
    if args.pairs and len(streams) < 2:
        parser.error("--pairs needs at least two streams")
    chosen = [LossKind(word) for word in kinds]
    return pair_cases(chosen, streams) if args.pairs else single_cases(chosen, streams)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensqt verify",
        description="Purge, delete or set back each stream and bucket of a running stack, wait until trading resumes,"
        " then compare the books with the venue. A run over all streams with `restore` also backs up the bus, and"
        " restores it after a stop.",
    )
    parser.add_argument(
        "--losses",
        nargs="?",
        const=ALL_KINDS,
        required=True,
        metavar="KIND,...",
        help=f"kinds of losses (default: {ALL_KINDS})",
    )
    parser.add_argument(
        "--streams", default="", metavar="NAME,...", help="streams and buckets to lose (default: all)"
    )
    parser.add_argument("--pairs", action="store_true", help="lose each two of the streams together")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_FILE, help="configuration (default: the built-in example)"
    )
    parser.add_argument(
        "--engines", type=int, default=1, choices=range(1, 10), metavar="N", help="engine processes (1)"
    )
    parser.add_argument(
        "--gateways", type=int, default=1, choices=range(1, 10), metavar="N", help="gateway processes (1)"
    )
    parser.add_argument(
        "--older",
        type=float,
        default=12.0,
        metavar="S",
        help="age of the restored copy, seconds (%(default)g)",
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds for trading to go on (%(default)g)"
    )
    parser.add_argument(
        "--volatility",
        type=float,
        default=8.0,
        metavar="F",
        help="factor on the market's volatility (%(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="directory for the data of the stacks (default: a temporary one, deleted unless a case fails)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
