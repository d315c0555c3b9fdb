"""Startup of a symbol before its first order: preflight checks, trigger price, position adoption."""
