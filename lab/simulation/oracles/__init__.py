"""What must hold in a simulated run: at every instant, after the last fault, and at the end."""
