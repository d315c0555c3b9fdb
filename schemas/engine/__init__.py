"""Engine messages: journal steps, derived events, operator commands, portfolio limits, assignments."""
