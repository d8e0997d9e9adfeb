"""All that a run has read, as its steps hand it on."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from watch_pending.buildermap import Rule
from watch_pending.gather import Scheduler
from watch_pending.models import Cloud, Snapshot
from watch_pending.settings_digest import Remembered
from watch_pending.sources import SourcesRead

if TYPE_CHECKING:
    from watch_pending.aws import Aws


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """What a run has read; `cloud` is None where nothing waits that needs EC2."""

    snapshot: Snapshot
    scheduler: Scheduler
    cloud: Cloud | None
    rules: tuple[Rule, ...]
    read: SourcesRead | None = None
    aws: "Aws | None" = None
    remembered: Remembered = field(default_factory=Remembered)
