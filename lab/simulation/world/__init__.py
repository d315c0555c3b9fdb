"""The whole system in one simulated world: bus, venue, parts and operator, each on a host of its own.

    world = World(seed=1, configuration=load(DEFAULT_FILE), folder=Path("/tmp/x"))
    world.run(check())            # `check` gets the world, and runs on the host `operator`

The parts are the coroutines that their processes run, unmodified.
"""
