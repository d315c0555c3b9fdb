"""Keep a bus provisioned: apply again what is lost, such as memory streams after a restart of the server."""

import asyncio
from typing import Never

from bus import Bus, BusError, Conflict, Logger
from cli.apply.apply import apply_plan, make_plan
from cli.config.file import Configuration

CHECK_INTERVAL_S = 10.0
"""Interval of the comparison; it is also made after each reconnect."""


class Keeper:
    """Applies what is missing on the bus, for ever.

    What trades already is changed once at most, at the first comparison, and only with a confirmation.
    """

    def __init__(
        self, configuration: Configuration, log: Logger, *, operator: str, is_confirmed: bool = False
    ) -> None:
        self._is_confirmed = is_confirmed
        self._configuration = configuration
        self._log = log
        self._operator = operator
        self.problem = "the bus has not been reached yet"
        """What is wrong or waits for a confirmation; empty if nothing is."""
        self.is_provisioned = False
        """Whether everything that is missing has been applied once."""
        self._logged = ""

    async def run(self, bus: Bus) -> Never:
        """Compare at each reconnect and at an interval. Raises: CommandError when the engine refuses a change."""
        check = asyncio.Event()
        remove = bus.on_reconnect(check.set)
        try:
            while True:
                await self.check(bus)
                try:
                    async with asyncio.timeout(CHECK_INTERVAL_S):
                        await check.wait()
                except TimeoutError:
                    continue
                check.clear()
        finally:
            remove()

    async def check(self, bus: Bus) -> None:
        """Compare once, and apply what is missing."""
        try:
            await bus.wait_connected()
            plan = await make_plan(bus, self._configuration)
            added = plan if self._is_confirmed and not plan.blocked else plan.additions()
            await apply_plan(bus, added, self._report, operator=self._operator)
        except Conflict:
            return  # another process applies the same; compared again soon
        except BusError as error:
            self._note(f"the configuration could not be compared with the bus: {error}", is_error=True)
            return
        left = [line for each in plan.changes if each not in added.changes for line in each.lines()]
        self.is_provisioned, self._is_confirmed = True, False
        self._note(f"not applied: {'; '.join(left)}" if left else "", is_error=False)

    def health(self) -> dict[str, object]:
        """Return the body of /health: `starting` until everything missing was applied once."""
        status = "starting" if not self.is_provisioned else "degraded" if self.problem else "ok"
        return {"status": status, **({"problems": [self.problem]} if self.problem else {})}

    def _report(self, text: str) -> None:
        self._log.info("applied", change=text)

    def _note(self, problem: str, *, is_error: bool) -> None:
        self.problem = problem
        if problem != self._logged and problem:
            write = self._log.error if is_error else self._log.warning
            write("not_applied" if not is_error else "apply_failed", detail=problem)
        elif self._logged and not problem:
            self._log.info("applied_completely")
        self._logged = problem
