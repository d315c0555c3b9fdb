"""The commands there are, in the groups that --help shows them in."""

GROUPS: dict[str, dict[str, str]] = {
    "run": {
        "up": "the whole stack on this machine; Ctrl-C stops it",
        "config check [FILE]": "what a configuration says, or all that is wrong with it",
        "key --name NAME --role ROLE": "a new API key for the live servers",
        "plan [FILE]": "what it would trade: levels, margin, fees, preflight, liquidation",
    },
    "look and act": {
        "status": "what runs, what each symbol does, and why one does not quote",
        "tap SUBJECT": "what goes over the bus, readable",
        "control COMMAND VENUE SYMBOL": "pause, stop, flatten, reconcile, set, add ...: act, with an answer",
    },
    "one part by itself": {
        "bus": "the embedded bus, in the foreground",
        "venue": "the simulated venue",
        "market": "the market publisher of a venue",
        "account": "the account publisher of a venue",
        "gateway": "what sends the orders to a venue",
        "engine": "what decides",
        "liveserver": "the page and its data",
    },
    "examine": {
        "test": "the test suite; what follows goes to pytest",
        "verify": "the crash laboratory",
        "scenario NAME": "what a guard does when it matters, shown on the running stack",
        "bench NAME": "a benchmark",
    },
}
PASSED_ON = {
    "venue",
    "market",
    "account",
    "gateway",
    "engine",
    "liveserver",
    "test",
    "verify",
    "scenario",
    "bench",
}
"""Commands with a command line of their own: everything behind the name is theirs."""

COMMANDS = {name.partition(" ")[0] for commands in GROUPS.values() for name in commands}


def listed() -> str:
    """Return what --help lists."""
    width = max(len(name) for commands in GROUPS.values() for name in commands)
    lines = []
    for title, commands in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:<{width}}  {text}" for name, text in commands.items()), ""]
    return "\n".join([*lines, "opensqt COMMAND --help tells more."])
