"""What happens to machines in the demo that nobody has asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.demo.farm import IS_ROOT
from tests.demo.scene import Doing, Scene, Seen
from tests.whole_farm import WholeFarm

NOTICE_S = 120  # EC2's own


@dataclass(kw_only=True, slots=True)
class Blows:
    """Each falls once: a process that runs wild, and EC2's notice that it takes a machine away."""

    farm: WholeFarm
    lines: list[str] = field(default_factory=list)
    strayed: bool = False
    noticed: bool = False

    def told(self) -> Iterator[str]:
        """Tell what has happened since the last time."""
        lines, self.lines = self.lines, []
        yield from lines

    def strike(self, scene: Scene, *, later: bool) -> None:
        """Let fall what is due: where a machine builds, and those that come later have begun."""
        building = [each for each in scene.machines if each.doing is Doing.BUILDING]
        if building and IS_ROOT and not self.strayed:
            self.strayed = True
            self.leave_stray(building[0])
        if building and later and not self.noticed:
            self.noticed = True
            self.announce(building[-1])

    def leave_stray(self, machine: Seen) -> None:
        """Let a process run wild as the builds' user."""
        self.farm.host.leave_stray(self.farm.host.find(machine.name))
        self.lines.append(f"{machine.name}: a process of the builds' user runs wild there")

    def announce(self, machine: Seen) -> None:
        """Let EC2 announce that it takes a machine away."""
        self.farm.host.metadata.announce(machine.instance_id, "terminate", NOTICE_S)
        self.lines.append(f"EC2 announces that it takes {machine.name} away in {NOTICE_S} s")
