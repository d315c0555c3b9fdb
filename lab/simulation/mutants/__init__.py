"""Mutants: protocol errors that are put into the product within a simulation, to see whether a run finds them.

Each replaces a function or method of the running process, as the sources of the product know nothing of it.
"""
