"""Parsers of configuration and command-line values, such as `30 USDT`, `0.1%` or `5s`."""

from schemas.notation import (
    DURATION_NS,
    Amount,
    amount,
    choice,
    decimal,
    duration,
    flag,
    percent_text,
    positive,
    probability,
    ratio,
    signed_ratio,
    size,
    whole,
    word,
)

__all__ = [
    "DURATION_NS",
    "Amount",
    "amount",
    "choice",
    "decimal",
    "duration",
    "flag",
    "percent_text",
    "positive",
    "probability",
    "ratio",
    "signed_ratio",
    "size",
    "whole",
    "word",
]
