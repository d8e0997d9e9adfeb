"""How long nothing is asked for where AWS refused, in farmhand.yml; pure."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from farmhand.validation import Seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class BackoffTimes:
    """How long nothing is asked for after a refusal: at first, and doubled, at most."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    first_s: Seconds = 120.0
    most_s: Seconds = 3600.0

    def wait_s(self, failures: int) -> float:
        """Say how long to wait after so many refusals in a row.

        >>> [BackoffTimes().wait_s(failures) for failures in (1, 2, 5, 6, 5000)]
        [120.0, 240.0, 1920.0, 3600.0, 3600.0]
        """
        return float(min(self.most_s, self.first_s * 2 ** min(failures - 1, 100)))
