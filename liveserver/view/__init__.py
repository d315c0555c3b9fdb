"""The view of each market, folded from bus events, and its rendering as messages."""
