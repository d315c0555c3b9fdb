"""The local stack of `opensqt up`: processes, supervision, ports and the data directory."""
