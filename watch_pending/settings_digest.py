"""What an instance type's launch rests on, as one digest: whether it has changed since; pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from watch_pending.backoff_models import Backoff, Kind
from watch_pending.config import WatchPending
from watch_pending.models import Image
from watch_pending.spot import choose_image

Digests = Mapping[tuple[str, str], str | None]
"""(instance type, region) → digest; None where no AMI is found, so that it can't be said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """The digests of the settings of now, and the back-offs that those have made void."""

    digests: Digests = field(default_factory=dict)
    void: tuple[Backoff, ...] = ()


def digest_settings(
    config: WatchPending, templates: Mapping[str, str], images: Iterable[Image], key_id: str
) -> dict[tuple[str, str], str | None]:
    """Digest each type's settings, by region: its own, its template's text, its AMI, whose key."""
    images = tuple(images)
    digests: dict[tuple[str, str], str | None] = {}
    for name, settings in config.instance_types.items():
        for region, place in settings.regions.items():
            image = choose_image(images, name, region, place)
            rests_on = {
                "place": asdict(place),
                "names": settings.names,
                "rules": [asdict(rule) for rule in config.spot.rules.get(name, ())],
                "user_data": templates.get(name),
                "ami": image and image.ami,
                "key_id": key_id,
            }
            text = json.dumps(rests_on, sort_keys=True)
            digest = hashlib.sha256(text.encode()).hexdigest()
            digests[name, region] = digest if image else None
    return digests


def find_void(backoffs: Iterable[Backoff], digests: Digests) -> tuple[Backoff, ...]:
    """List the back-offs without an end whose settings have changed, or are gone."""
    return tuple(
        item for item in backoffs if item.kind is Kind.SETTINGS and _is_void(item, digests)
    )


def _is_void(backoff: Backoff, digests: Digests) -> bool:
    key = (backoff.instance_type or "", backoff.region or "")
    return key not in digests or digests[key] not in {None, backoff.settings_sha256}
