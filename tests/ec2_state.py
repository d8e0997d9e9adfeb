"""What the EC2 stand-in remembers: calls, faults, prices, settings, tokens (thread-safe)."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

# Answered by EC2's front door, before it looks at the client token.
FRONT_DOOR_CODES = frozenset(
    {
        "AuthFailure",
        "InternalError",
        "RequestExpired",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "UnauthorizedOperation",
        "Unavailable",
    }
)
DEFAULT_STATUS = {
    "InsufficientInstanceCapacity": 500,  # AWS sends it so, hence SDKs retry it
    "InternalError": 500,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
}
# API → (burst, per second) for an account and region; each API has its own bucket.
# Source: https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
BUCKETS = {
    "RunInstances": (5.0, 2.0),
    "StartInstances": (5.0, 2.0),
    "CreateTags": (100.0, 10.0),
    "TerminateInstances": (100.0, 5.0),
}
DESCRIBE_BUCKET = (100.0, 20.0)
MUTATING_BUCKET = (50.0, 5.0)


class BadControlError(Exception):
    """A control request that cannot be meant as it was written."""


@dataclass(kw_only=True, slots=True)
class Call:
    """One call as it arrived; `status` is None while it runs, 0 if it was dropped.

    `grants` are what allows it: policy, statement, action and resource.
    """

    action: str
    region: str
    at: float
    client_token: str | None
    params: dict[str, str]
    status: int | None = None
    code: str | None = None
    throttled: bool = False
    service: str = "ec2"
    grants: list[list[str]] = field(default_factory=list)

    @property
    def user_data(self) -> str:
        """The decoded user data, empty if there is none."""
        return base64.b64decode(self.params.get("UserData", "")).decode()

    def tags(self, resource_type: str) -> dict[str, str]:
        """Return the tags the call puts on resources of this type, name → value."""
        found: dict[str, str] = {}
        for key, value in self.params.items():
            spec, _, name = key.partition(".Tag.")
            if name.endswith(".Key") and self.params[f"{spec}.ResourceType"] == resource_type:
                found[value] = self.params.get(f"{key.removesuffix('.Key')}.Value", "")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultRule:
    """What to do to calls of `action` (a glob) whose form fields match (values or globs).

    `left` is how often it still strikes, None for always. Fields of `match` may also be
    `@az`, `@subnet` and `@market` (`spot` or `on-demand`), derived for RunInstances. A rule with
    `room` does nothing but let so many instances start, all calls together. `body` is answered
    with HTTP 200 in the place of what EC2 says, which has done as it was asked.
    """

    action: str
    match: dict[str, str] = field(default_factory=dict)
    region: str | None = None
    code: str | None = None
    message: str = "injected by a fault rule"
    status: int | None = None
    left: int | None = None
    latency_s: float = 0.0
    hold_s: float = 0.0
    drop: str | None = None
    body: str | None = None
    room: int | None = None

    def __post_init__(self) -> None:
        if self.drop not in (None, "before", "after"):
            raise BadControlError(f"drop: {self.drop!r} is not null, 'before' or 'after'")
        if self.status is not None and self.code is None:
            raise BadControlError("code: a rule with a status needs one")
        if self.room is not None and (self.code or self.drop or self.action != "RunInstances"):
            raise BadControlError("room: such a rule is for RunInstances, and does nothing else")

    def matches(self, call: Call, derived: Mapping[str, str]) -> bool:
        """Tell whether this rule still strikes and means this call."""
        values = {**call.params, **derived}
        return (
            self.left != 0
            and fnmatchcase(call.action, self.action)
            and self.region in (None, call.region)
            and all(fnmatchcase(values.get(key, ""), glob) for key, glob in self.match.items())
        )

    def http_status(self) -> int:
        """Return the HTTP status of the error, AWS's own unless the rule says otherwise."""
        return self.status or DEFAULT_STATUS.get(self.code or "", 400)


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """A spot price and since when it holds (`at`: ISO with zone; a minute ago)."""

    region: str
    az: str
    ec2_type: str
    price_usd_per_hour: float
    product: str = "Linux/UNIX"
    at: str = field(default_factory=lambda: _minute_ago())

    def since(self) -> datetime:
        """Return `at` as an aware datetime."""
        return parse_time(self.at)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How the whole stand-in behaves: visibility lag, throttling, latency of every call."""

    lag_s: float = 0.0
    buckets: bool = False
    latency_s: float = 0.0


@dataclass(kw_only=True, slots=True)
class TokenEntry:
    """What was launched under one client token; `body` is None until it succeeded."""

    params: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(kw_only=True, slots=True)
class State:
    """Everything the stand-in keeps besides moto's own backends."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    settings: Settings = Settings()
    calls: list[Call] = field(default_factory=list)
    faults: list[FaultRule] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    tokens: dict[tuple[str, str, str], TokenEntry] = field(default_factory=dict)
    levels: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget everything."""
        with self.lock:
            self.settings = Settings()
            for kept in (self.calls, self.faults, self.prices):
                kept.clear()
            self.tokens.clear()
            self.levels.clear()

    def change_settings(self, changes: object) -> Settings:
        """Change the named settings; switching the buckets refills them."""
        with self.lock:
            current = asdict(self.settings)
            self.settings = build(Settings, {**current, **as_object(changes)})
            if "buckets" in as_object(changes):
                self.levels.clear()
            return self.settings

    def take_fault(
        self, call: Call, derived: Mapping[str, str], *, front_door_only: bool
    ) -> FaultRule | None:
        """Return the first rule for this call and count it down; maybe only front-door errors."""
        with self.lock:
            for index, rule in enumerate(self.faults):
                passes = front_door_only and rule.code and rule.code not in FRONT_DOOR_CODES
                if passes or rule.room is not None or not rule.matches(call, derived):
                    continue
                if rule.left is not None:
                    self.faults[index] = replace(rule, left=rule.left - 1)
                return rule
            return None

    def take_room(self, call: Call, derived: Mapping[str, str], *, least: int, most: int) -> int:
        """Take what room the rules for this call leave, up to `most`; less than `least` is none."""
        with self.lock:
            rules = [rule for rule in self.faults if rule.room is not None]
            found = [rule for rule in rules if rule.matches(call, derived)]
            taken = min([most, *(rule.room or 0 for rule in found)])
            if taken < least:
                return 0
            for rule in found:
                self.faults[self.faults.index(rule)] = replace(rule, room=(rule.room or 0) - taken)
            return taken

    def take_request_token(self, region: str, action: str) -> bool:
        """Take one request from the API's bucket; False if it is empty."""
        default = DESCRIBE_BUCKET if action.startswith("Describe") else MUTATING_BUCKET
        burst, per_s = BUCKETS.get(action, default)
        with self.lock:
            now = time.monotonic()
            level, then = self.levels.get((region, action), (burst, now))
            level = min(burst, level + (now - then) * per_s)
            taken = not self.settings.buckets or level >= 1
            self.levels[region, action] = (level - 1 if taken else level, now)
            return taken

    def token_entry(self, region: str, az: str, token: str) -> TokenEntry:
        """Return the entry of a client token; with a zone given, tokens are zonal, as AWS's."""
        with self.lock:
            return self.tokens.setdefault((region, az, token), TokenEntry())

    def seeded_prices(self, region: str) -> list[Price]:
        """Return what was seeded for a region; empty means moto's own prices hold."""
        with self.lock:
            return [price for price in self.prices if price.region == region]


def _minute_ago() -> str:
    return (datetime.now(UTC) - timedelta(minutes=1)).isoformat()


def parse_time(text: str) -> datetime:
    """Parse an ISO time with zone."""
    try:
        parsed = datetime.fromisoformat(text)
    except (TypeError, ValueError) as err:
        raise BadControlError(f"{text!r} is not an ISO time") from err
    if parsed.tzinfo is None:
        raise BadControlError(f"{text!r} has no time zone")
    return parsed


def as_object(data: object) -> dict[str, Any]:
    """Return a JSON object as a dict; anything else is refused."""
    if not isinstance(data, dict):
        raise BadControlError(f"a JSON object is needed, not {data!r}")
    return data


def build(cls: type[T], data: object) -> T:
    """Make a dataclass from a JSON object, refusing unknown, missing and mistyped fields."""
    values = as_object(data)
    hints = get_type_hints(cls)
    if unknown := sorted(values.keys() - hints.keys()):
        raise BadControlError(f"{cls.__name__}: unknown field {', '.join(unknown)}")
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise BadControlError(f"{cls.__name__}: {name} cannot be {value!r}")
    try:
        return cls(**values)
    except TypeError as err:
        raise BadControlError(f"{cls.__name__}: {err}") from err


def _fits(value: object, hint: Any) -> bool:
    """Tell whether a JSON value is of the annotated type; the insides of dicts are not looked at.

    >>> _fits(1, float), _fits(None, str | None), _fits("1", int), _fits([], dict[str, str])
    (True, True, False, False)
    """
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kinds = tuple(get_origin(option) or option for option in options)
    return isinstance(value, (*kinds, int) if float in kinds else kinds)
