"""A deterministic event loop with virtual time, hosts that crash and pause, and a network between them.

    loop = SimulatedLoop(seed=1)
    bus, engine = loop.host("bus", "10.0.0.1"), loop.host("engine", "10.0.0.2")
    bus.spawn(serve_bus())                    # the code runs unmodified: it uses asyncio
    engine.spawn(run_engine("nats://10.0.0.1:4222"))
    loop.run(fault_plan())                    # for example `await asyncio.sleep(60)`, then `engine.crash()`

The same seed gives the same order of everything, in every process and whatever PYTHONHASHSEED is, as long as the code
under test does not iterate over sets of objects that hash by their address or of strings, and reads no real clock.
Waiting costs no time; code takes none. Not simulated: subprocesses, Unix sockets, datagrams, TLS, threads that block.
"""
