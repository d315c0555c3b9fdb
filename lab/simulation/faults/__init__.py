"""Faults by seed: each seed switches on a random subset of the faults at random rates.

    for injection in plan(seed=7, duration_s=360.0):
        print(injection.at_s, injection.name, injection.duration_s)

Each fault is an asynchronous context manager: it begins when it is entered, and ends when it is left.
"""
