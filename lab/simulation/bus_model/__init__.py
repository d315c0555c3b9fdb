"""A model of nats-server with JetStream, as far as this project uses it: the same bytes in, the same bytes out.

A pure state machine: time, randomness and ids are injected. `server` is the model, `faults` makes it fail as documented
faults of the real server do, `asyncio_server` serves it on an event loop, and `differential` compares it with the real
server.

Not modeled: consumers, mirrors, sources, retention other than `limits`, subject transforms of streams, counters, atomic and
fast batches, schedules, subject delete markers, snapshots, accounts, authentication, TLS and advisories. A request for one
of them raises NotModeledError, so that no simulation rests on an answer that the real server would not give.

With several `servers` the model stands for a cluster as a whole, whose streams may have replicas that lag behind. That is
not compared with a real cluster.
"""
