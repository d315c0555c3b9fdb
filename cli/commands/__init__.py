"""The commands of `opensqt`, one module each: arguments and implementation."""
