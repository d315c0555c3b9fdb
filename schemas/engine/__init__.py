"""What the engine commits and publishes: journal steps, events, commands, the portfolio."""
