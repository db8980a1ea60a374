"""Times and texts as a status holds them."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """A moment in UTC to the second, as metav1.Time is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str | None) -> datetime | None:
    """The moment an RFC 3339 text names; None for None and for what is no such text."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def percent_text(percent: int | None) -> str | None:
    """`43%`."""
    return None if percent is None else f"{percent}%"


def size_text(count: int | None) -> str | None:
    """Bytes as `kubectl get` shows them: `700Mi`."""
    if count is None:
        return None
    value = float(count)
    for unit in ("", "Ki", "Mi", "Gi"):
        if value < 1000:
            return f"{value:.0f}{unit}" if value >= 10 or not unit else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}Ti"


def rate_text(bytes_per_second: int | None) -> str | None:
    """`48MiB/s`."""
    size = size_text(bytes_per_second)
    return None if size is None else f"{size}B/s"


def span_text(seconds: int | None) -> str | None:
    """`1m12s`, `3h5m`."""
    if seconds is None:
        return None
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
