"""Which server a verb asks, as its options say it; pure."""

from dataclasses import dataclass
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:1080"


@dataclass(frozen=True, kw_only=True, slots=True)
class Whom:
    """The server of -A, whether before or after the verb, and the file of secrets with a token."""

    api_url: str | None
    secrets: Path | None
