"""The operator of a simulated world."""

from pathlib import Path

import msgspec

from bus import Bus, get_logger
from lab.simulation.configuration import default_configuration
from lab.simulation.world.commands import CommandStream, Unanswered
from lab.simulation.world.world import World, WorldSettings


def test_every_command_is_answered(tmp_path: Path) -> None:
    configuration = default_configuration(1)
    configuration = msgspec.structs.replace(configuration, symbols=configuration.symbols[:1])
    streams: list[CommandStream] = []

    async def operate(world: World, bus: Bus) -> None:
        streams.append(CommandStream(bus, configuration.symbols, 1))
        await streams[0].run(30, mean_interval_s=3)

    World(WorldSettings(configuration), tmp_path).run(operate)

    assert streams[0].problems() == []
    assert streams[0].answered == streams[0].sent > 5


def test_a_command_without_an_answer_is_a_problem_unless_a_fault_explains_it() -> None:
    stream = CommandStream(Bus("nats://127.0.0.1:1", "test", get_logger("test")), [], 1)
    stream.unanswered.append(Unanswered("pause BTC/USDT:USDT was not answered", 10.0, 80.0))

    assert stream.problems() == ["pause BTC/USDT:USDT was not answered"]
    assert stream.problems(lambda sent_s, given_up_s: sent_s < 20 < given_up_s) == []
