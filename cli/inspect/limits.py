"""Format the limits over all symbols in one line."""

from schemas.engine.portfolio import BucketLimits, PortfolioLimits, PortfolioSettings


def configured_limits(settings: PortfolioSettings) -> str:
    """Return the exposure limits by quote currency: `exposure up to 1000 USDT, 0.5 BTC`."""
    limits = settings.currencies or {"each currency": settings.of("")}
    each = (f"{limit.max_exposure} {name}" for name, limit in limits.items())
    return f"exposure up to {', '.join(each)}"


def limits_in_force(limits: PortfolioLimits) -> str:
    """Return exposure, limit and breaker of each quote currency: `exposure 812.3 of 1000 USDT, breaker closed`."""
    buckets = limits.buckets or {"": limits.bucket("")}
    return "; ".join(_bucket(name, bucket) for name, bucket in buckets.items())


def _bucket(currency: str, bucket: BucketLimits) -> str:
    limit = f" of {bucket.max_exposure}" if bucket.max_exposure else ""
    stop = "" if bucket.is_opening_allowed else ", opening blocked"
    reason = f": {bucket.reason}" if bucket.reason else ""
    text = f"exposure {bucket.exposure}{limit} {currency}".rstrip()
    return f"{text}{stop}, breaker {bucket.breaker}{reason}"
