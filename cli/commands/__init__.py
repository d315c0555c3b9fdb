"""One module a command of `opensqt`."""
