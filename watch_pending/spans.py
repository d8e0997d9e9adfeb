"""Times and money as people read them; pure."""


def format_span(seconds: float | None) -> str:
    """Format a duration by its largest unit, in at most seven characters.

    >>> [format_span(seconds) for seconds in (50, 720, 5400, 129600, 864000, None)]
    ['50 s', '12 min', '90 min', '36 h', '10 d', '-']
    """
    if seconds is None:
        return "-"
    for most, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < most:
            return f"{max(0, int(seconds)) // size} {unit}"
    return f"{int(seconds) // 86400} d"


def format_usd(usd: float | None) -> str:
    """Format dollars; what is unknown, as such.

    >>> format_usd(1234.5), format_usd(0.0531), format_usd(None)
    ('1234.50', '0.05', '?')
    """
    return "?" if usd is None else f"{usd:.2f}"
