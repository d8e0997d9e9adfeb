"""What putting things right needs of the world."""

from dataclasses import dataclass

from farmhand.command import Run
from farmhand.db import FarmDb
from watch_pending.sanity.gather import Look, look_at_workers
from watch_pending.sanity.models import Sight
from watch_pending.settings import WatchPendingSettings
from watch_pending.stop_idle.models import Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixer:
    """A run that puts right what it has found."""

    run: Run
    settings: WatchPendingSettings
    database: FarmDb
    look: Look

    @property
    def sight(self) -> Sight:
        """What was judged."""
        return self.look.sight

    def look_at_workers(self) -> Workload:
        """Read anew what all workers do."""
        return look_at_workers(self.look.scheduler, self.look.cloud.instances, self.settings.farm)
