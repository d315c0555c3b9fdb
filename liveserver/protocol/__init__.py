"""Messages between browser and live server, in both directions and both versions."""
