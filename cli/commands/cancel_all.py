"""`opensqt cancel-all`: cancel this installation's orders at a venue, without bus, engine and gateway."""

import argparse
import asyncio
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from cli import parser as arguments
from cli.background import run_main
from cli.config.file import Configuration, load
from cli.control.names import nearest
from cli.emergency.venue_exit import Holding, VenueExit
from cli.errors import CommandError
from cli.program import program
from cli.stack.data_dir import DataDir, default_data_dir
from cli.stack.venues import stored_url
from producers.ports import VenueError
from producers.simulated.client.client import SimulatedVenue
from schemas.units import Ratio, VenueId

DESCRIPTION = (
    "Cancel the open orders of this installation at a venue, and with --flatten close what its orders have bought or sold. "
    "Goes straight to the venue: bus, engine and gateway may be gone. Orders placed by hand or by other installations stay. "
    "Prints what it would do; does it with --yes. Stop engines first: one that still runs places its orders again."
)
CONFIG_VARIABLE = "OPENSQT_CONFIG"
RECHECK_S = 3.0
"""How long after the end orders must not have come back."""


class Options(NamedTuple):
    """Options of `cancel-all`."""

    venue: VenueId
    config: Path
    instance: str | None = None
    venue_url: str | None = None
    data_dir: Path | None = None
    flatten: bool = False
    slippage: Ratio = Decimal("0.01")
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "--venue", required=True, metavar="NAME", help="the venue, as the configuration names it"
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="the configuration that is traded"
    )
    parser.add_argument(
        "--instance", metavar="XYZ", help="the installation (default: that of the configuration)"
    )
    parser.add_argument(
        "--venue-url",
        metavar="URL",
        help="address of the venue (default: that of the configuration, else that of the last `up` in --data-dir)",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="data directory of `up` (default: data)")
    parser.add_argument(
        "--flatten", action="store_true", help="also close what the orders have bought or sold"
    )
    parser.add_argument(
        "--slippage",
        type=arguments.percentage,
        default=Decimal("0.01"),
        metavar="PERCENT",
        help="how far from the best price closing orders may be filled (default: 1%%)",
    )
    parser.add_argument("--yes", action="store_true", help="do it; without it, print what would be done")


def run(options: argparse.Namespace) -> int:
    """Print what there is, and do it with --yes."""
    chosen = Options(**{name: getattr(options, name) for name in Options._fields})
    return run_main(lambda: cancel_all(chosen), is_quiet=True)


async def cancel_all(options: Options) -> int:
    """Cancel and close; return 1 if something is left, or would be done without --yes.

    Raises: CommandError when the venue is unknown or does not answer.
    """
    configuration = load(options.config, os.environ, has_http=False)
    url = _url(options, configuration)
    data = DataDir(options.data_dir or default_data_dir())
    instance = options.instance or configuration.instance or data.instance()
    if not instance:
        raise CommandError(
            "the instance of the order ids is not known: name it with --instance, or the data directory of `up` with "
            "--data-dir"
        )
    try:
        async with SimulatedVenue(url, venue=options.venue) as venue:
            way_out = VenueExit(venue, instance, lambda line: print(f"  {line}"))
            return await _run(options, way_out, f"{options.venue} at {url}, instance {instance}")
    except VenueError as error:
        raise CommandError(f"the venue {options.venue} at {url}: {error}") from error


async def _run(options: Options, way_out: VenueExit, where: str) -> int:
    holdings = await way_out.find()
    print(where)
    for line in _lines(holdings, flatten=options.flatten):
        print(f"  {line}")
    closing = [each for each in holdings if options.flatten and each.to_close]
    if not closing and not any(each.orders for each in holdings):
        print("nothing to do")
        return 0
    if not options.yes:
        print(
            "nothing was done: --yes does it. Stop engines first: one that still runs places its orders again."
        )
        return 1
    left = await way_out.cancel(holdings)
    unclosed = (
        await way_out.close(await way_out.find([each.symbol for each in closing]), options.slippage)
        if closing
        else []
    )
    await asyncio.sleep(RECHECK_S)
    again = await way_out.find()
    return _verdict(again, left, unclosed)


def _verdict(again: Sequence[Holding], left: int, unclosed: Sequence[Holding]) -> int:
    open_orders = sum(len(each.orders) for each in again)
    for each in unclosed:
        print(f"{each.symbol}: {each.to_close} {each.instrument.base} is left: run the command again")
    if open_orders > left:
        print(
            f"{open_orders} orders are open again: an engine still runs and places them. Stop it (Ctrl-C of "
            f"`{program()} up`, `{program()} control stop`, or its service), then run the command again"
        )
    elif open_orders:
        print(f"{open_orders} orders are still open: run the command again")
    if open_orders or unclosed:
        return 1
    print("done: no order of this installation is open")
    return 0


def _lines(holdings: Sequence[Holding], *, flatten: bool) -> list[str]:
    lines = []
    for each in holdings:
        base = each.instrument.base
        text = f"{each.symbol}: cancel {len(each.orders)} orders"
        if each.other_orders:
            text += f", leave {each.other_orders} of others"
        if each.other_instances:
            names = ", ".join(f"{name} ({number})" for name, number in sorted(each.other_instances.items()))
            text += f", among them of the instances {names}: see --instance"
        if flatten:
            text += f"; {_closing_text(each)}"
        elif each.to_close:
            text += f"; {each.to_close} {base} stays (--flatten closes it)"
        lines.append(text)
    return lines


def _closing_text(holding: Holding) -> str:
    base = holding.instrument.base
    text = f"close {holding.to_close} {base}" if holding.to_close else "nothing to close"
    if holding.held != holding.traded:
        text += f" (its trades add up to {holding.traded}, the account holds {holding.held})"
    return text


def _url(options: Options, configuration: Configuration) -> str:
    names = [each.venue for each in configuration.venues]
    if options.venue not in names:
        raise CommandError(f"{options.config} has no venue {options.venue}; {nearest(options.venue, names)}")
    url = options.venue_url or configuration.venue_urls.get(options.venue)
    url = url or stored_url(DataDir(options.data_dir or default_data_dir()), options.venue)
    if not url:
        raise CommandError(
            f"the address of {options.venue} is not known: name it with --venue-url, or the data directory of `up` "
            "with --data-dir"
        )
    return url
