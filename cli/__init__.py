"""The command line, the configuration file and the local stack: the composition root of OpenSQT."""

__version__ = "0.1.0"
