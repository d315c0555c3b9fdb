"""Operator commands from the command line: names of symbols, sending, and printing the results."""
