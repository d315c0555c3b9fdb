"""The configuration file: parsing, validation and defaults."""
