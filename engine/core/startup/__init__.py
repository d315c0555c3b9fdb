"""From the first input to the first order: preflight checks and position adoption."""
