"""Parts of the stack: their heartbeats, and the watchdog that notices silent ones."""
