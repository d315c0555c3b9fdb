"""The configuration file: parsing, validation, defaults."""
