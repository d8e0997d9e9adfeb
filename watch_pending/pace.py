"""When the next call may start, so that no bucket of EC2's runs dry; pure."""

import math
from dataclasses import dataclass, field

# EC2's bucket for RunInstances, by account and region: 5 calls at once, then 2 a second.
BURST = 5
INTERVAL_S = 0.5
# Its bucket for CreateTags.
TAGS_BURST = 100
TAGS_INTERVAL_S = 0.1
ROUNDING = 1e-6


@dataclass(kw_only=True, slots=True)
class Pace:
    """Remembers, by region, when its bucket would be full again (times in seconds, any clock).

    With a `burst` below EC2's some calls stay in the bucket, for those that arrive out of step.
    """

    burst: int = BURST
    interval_s: float = INTERVAL_S
    full_at: dict[str, float] = field(default_factory=dict)

    def turn(self, region: str, now: float) -> float:
        """Say when a region's next call may start.

        >>> pace = Pace()
        >>> [pace.take("us-east-1", pace.turn("us-east-1", 0.0)) for _ in range(7)]
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0]
        """
        return max(now, self.full_at.get(region, now) - (self.burst - 1) * self.interval_s)

    def take(self, region: str, at: float) -> float:
        """Count a call that starts at that time, and return the time."""
        self.full_at[region] = max(at, self.full_at.get(region, at)) + self.interval_s
        return at

    def tokens(self, region: str, now: float) -> int:
        """Count the calls of a region that may start at once."""
        missing_s = max(0.0, self.full_at.get(region, now) - now)
        return max(0, math.floor(self.burst - missing_s / self.interval_s + ROUNDING))
