"""The local stack that `up` runs: processes, supervision, ports, data directory."""
