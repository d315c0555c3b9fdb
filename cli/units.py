"""The notation of values, by the name that the configuration and the command line know it."""

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
    "whole",
    "word",
]
