"""The same world as a state machine, which finds its own way and settles at the end."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from schemas.engine.control import CommandName
from schemas.grid.settings import GridSettings
from tests.engine.core.examples import GEOMETRIC, LONG, NEUTRAL
from tests.engine.core.world import World

INDEX = st.integers(0, 30)


class Machine(RuleBasedStateMachine):
    """Rules that can do something are the only ones tried."""

    world: World

    @initialize(grid=st.sampled_from([LONG, NEUTRAL, GEOMETRIC]))
    def begin(self, grid: GridSettings) -> None:
        self.world = World(grid)

    @rule(steps=st.integers(-12, 12), seconds=st.integers(0, 30))
    def move(self, steps: int, seconds: int) -> None:
        self.world.move(steps, seconds)

    @rule(name=st.sampled_from(CommandName))
    def ask(self, name: CommandName) -> None:
        self.world.ask(name)

    @precondition(lambda self: self.world.exchange.on_their_way())
    @rule(index=INDEX, verdict=INDEX)
    def arrive(self, index: int, verdict: int) -> None:
        self.world.arrive(index, verdict)

    @precondition(lambda self: self.world.exchange.open())
    @rule(index=INDEX, lots=st.integers(1, 120))
    def fill(self, index: int, lots: int) -> None:
        self.world.fill(index, lots)

    @precondition(lambda self: self.world.exchange.news)
    @rule(index=INDEX)
    def deliver(self, index: int) -> None:
        self.world.deliver(index)

    @precondition(lambda self: self.world.exchange.news)
    @rule(index=INDEX)
    def repeat(self, index: int) -> None:
        self.world.repeat(index)

    @rule()
    def reconcile(self) -> None:
        self.world.look()
        self.world.reconcile()

    @rule()
    def restart(self) -> None:
        self.world.restart()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
