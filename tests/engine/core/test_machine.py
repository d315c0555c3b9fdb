"""The simulated world as a state machine, which hypothesis explores and which settles at the end."""

from decimal import Decimal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from schemas.engine.control import CommandName
from schemas.grid.settings import GridSettings
from schemas.venue.instruments import Instrument, InstrumentStatus
from tests.engine.core.examples import GEOMETRIC, LONG, NEUTRAL, PERPETUAL
from tests.engine.core.world import World

INDEX = st.integers(0, 30)
COARSE = msgspec.structs.replace(PERPETUAL, tick_size=Decimal(3), minimum_notional=Decimal(50))
HALTED = msgspec.structs.replace(PERPETUAL, status=InstrumentStatus.HALTED)


class Machine(RuleBasedStateMachine):
    """A rule runs only when it can have an effect."""

    world: World

    @initialize(grid=st.sampled_from([LONG, NEUTRAL, GEOMETRIC]))
    def begin(self, grid: GridSettings) -> None:
        self.world = World(grid)

    @rule(steps=st.integers(-12, 12), seconds=st.integers(0, 30))
    def move(self, steps: int, seconds: int) -> None:
        self.world.move(steps, seconds)

    @rule(name=st.sampled_from(CommandName))
    def send_command(self, name: CommandName) -> None:
        self.world.send_command(name)

    @precondition(lambda self: self.world.exchange.in_flight())
    @rule(index=INDEX, outcome=INDEX)
    def arrive(self, index: int, outcome: int) -> None:
        self.world.arrive(index, outcome)

    @precondition(lambda self: self.world.exchange.open())
    @rule(index=INDEX, lots=st.integers(1, 120))
    def fill(self, index: int, lots: int) -> None:
        self.world.fill(index, lots)

    @precondition(lambda self: self.world.exchange.messages)
    @rule(index=INDEX)
    def deliver(self, index: int) -> None:
        self.world.deliver(index)

    @precondition(lambda self: self.world.exchange.messages)
    @rule(index=INDEX)
    def repeat(self, index: int) -> None:
        self.world.repeat(index)

    @rule()
    def reconcile(self) -> None:
        self.world.take_sweep()
        self.world.reconcile()

    @rule(rules=st.sampled_from([PERPETUAL, COARSE, HALTED]))
    def change_instrument(self, rules: Instrument) -> None:
        self.world.process(rules)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
