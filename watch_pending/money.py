"""Money as people read it; pure."""


def format_usd(usd: float | None) -> str:
    """Format dollars; what is unknown, as such.

    >>> format_usd(1234.5), format_usd(0.0531), format_usd(None)
    ('1234.50', '0.05', '?')
    """
    return "?" if usd is None else f"{usd:.2f}"
