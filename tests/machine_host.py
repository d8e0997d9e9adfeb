"""A host for machines: what the stand-in for EC2 says is up, boots here as processes of its own.

Each machine has a directory for its `/` and a process 1, `tests/machine_init.py`, above all others.
It runs the user data that the instance was launched with. Where EC2 says that an instance is up no
longer, all its processes are killed, as when somebody pulls the plug; where a machine powers off,
EC2 is told, as of one whose shutdown behaviour is `terminate`.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from runner.metadata import ENDPOINT
from tests.ec2_control import Ec2Server, name_of
from tests.machine_image import MachineImage, boot_environ, relocate, unmount, write_script
from tests.machine_metadata import ADDRESS, MetadataServer, running_metadata

INIT = Path(__file__).with_name("machine_init.py")
UP = frozenset({"pending", "running"})
GONE = {"state": "terminated"}
LOOK_S = 0.1
END_LIMIT_S = 20.0
# Machines have no users of their own: each one's builds would run as this one's, in its variable.
FIRST_UID = 61000
USER = "MACHINE_USER"
POWERED_OFF = {"code": "Client.InstanceInitiatedShutdown", "message": "Instance initiated shutdown"}
TAKEN = {"code": "Server.SpotInstanceTermination", "message": "Spot instance termination"}


class Power(StrEnum):
    """Whether a machine runs."""

    BOOTING = "booting"
    ON = "on"
    OFF = "off"


@dataclass(kw_only=True, slots=True)
class Machine:
    """One instance; `root` is its `/`, and `why` says how it came to be off."""

    instance_id: str
    name: str
    instance_type: str
    market: str
    root: Path
    client_token: str
    uid: int
    seen_at: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    power: Power = Power.BOOTING
    why: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def boot(self, image: MachineImage, user_data: str, metadata_url: str) -> None:
        """Lay out its disk and start process 1 with the user data, which must be a script."""
        root = self.root
        if root.exists():
            root.rename(root.with_name(f"{root.name}.before-{self.instance_id}"))
        image.install(root)
        (root / "var/lib/cloud/data/instance-id").write_text(f"{self.instance_id}\n")
        script = root / "var/lib/cloud/user-data.txt"
        write_script(script, relocate(user_data, root).replace(ADDRESS, metadata_url))
        with (root / "var/log/cloud-init-output.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", str(INIT), str(script)],
                cwd=root,
                env={**boot_environ(root), ENDPOINT: metadata_url, USER: str(self.uid)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.power = Power.ON

    def unplug(self, why: str) -> None:
        """Kill all that runs on it, and return when it is gone."""
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(END_LIMIT_S)
        self.off(why)

    def off(self, why: str) -> None:
        """Note that it runs no more."""
        self.power, self.why, self.ended_at = Power.OFF, why, time.monotonic()
        unmount(self.root)

    @property
    def log(self) -> str:
        """What user data and runner said until now."""
        paths = [self.root / "var/log" / name for name in ("cloud-init-output.log", "runner.log")]
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())


@dataclass(kw_only=True, slots=True)
class MachineHost:
    """All machines by instance id, those that are off too, in the order they were seen.

    `twice` are those that came up while another of their name was there. Booting takes `boot_s`
    before user data runs.
    """

    ec2: Ec2Server
    image: MachineImage
    directory: Path
    metadata: MetadataServer
    boot_s: float = 0.0
    machines: dict[str, Machine] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    problem: BaseException | None = None
    strays: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    closing: threading.Event = field(default_factory=threading.Event)

    def all(self) -> list[Machine]:
        """List all machines there ever were."""
        with self.lock:
            return list(self.machines.values())

    def up(self) -> list[Machine]:
        """List those that are not off."""
        return [machine for machine in self.all() if machine.power is not Power.OFF]

    def find(self, name: str) -> Machine:
        """Find the machine that bears a name now."""
        (found,) = [machine for machine in self.up() if machine.name == name]
        return found

    def take_away(self, machine: Machine) -> None:
        """Let a machine vanish, as a spot instance does that somebody else pays more for."""
        with self.lock:
            machine.unplug("it was taken away")
            self.ec2.poke_instance(machine.instance_id, state="terminated", state_reason=TAKEN)

    def leave_stray(self, machine: Machine) -> None:
        """Let a process of the builds' user run on a machine that nobody there has asked for."""
        command = ["sleep", "600"]
        self.strays.append(subprocess.Popen(command, user=machine.uid, start_new_session=True))

    def check(self) -> None:
        """Raise what went wrong while nobody looked."""
        if self.problem is not None:
            raise RuntimeError("the host of the machines has failed") from self.problem

    def watch(self) -> None:
        """Do what is to do, until we close."""
        while not self.closing.wait(LOOK_S):
            try:
                with self.lock:
                    self.look()
            except Exception as err:  # noqa: BLE001 - raised by check()
                self.problem = err
                return

    def look(self) -> None:
        """Look once: who is up, who is not, who powered off."""
        shown = {each["id"]: each for each in self.ec2.instances()}
        for instance_id, machine in self.machines.items():
            if machine.power is not Power.OFF and shown.get(instance_id, GONE)["state"] not in UP:
                machine.unplug("terminated")
            elif (
                machine.power is Power.ON and machine.process and machine.process.poll() is not None
            ):
                machine.off("it powered off")
                self.ec2.poke_instance(instance_id, state="terminated", state_reason=POWERED_OFF)
        for instance_id, instance in shown.items():
            if instance_id not in self.machines and instance["state"] in UP:
                self.add(instance)
        for machine in self.machines.values():
            if machine.power is Power.BOOTING and time.monotonic() - machine.seen_at >= self.boot_s:
                metadata_url = self.metadata.url_of(machine.instance_id)
                machine.boot(self.image, self.find_user_data(machine), metadata_url)

    def add(self, instance: dict[str, Any]) -> None:
        """Add an instance that is up."""
        name = name_of(instance)
        if any(
            each.name == name and each.power is not Power.OFF for each in self.machines.values()
        ):
            self.twice.append(name)
        self.metadata.said[instance["id"]] = {"ami-launch-index": str(instance["launch_index"])}
        self.machines[instance["id"]] = Machine(
            instance_id=instance["id"],
            name=name,
            instance_type=instance["tags"].get("moz-type", ""),
            market=instance["lifecycle"],
            root=self.directory / name,
            client_token=instance["client_token"],
            uid=FIRST_UID + len(self.machines),
        )

    def find_user_data(self, machine: Machine) -> str:
        """Find what the instance was launched with."""
        calls = self.ec2.calls("RunInstances")
        return next(call.user_data for call in calls if call.client_token == machine.client_token)

    def close(self) -> None:
        """Pull all plugs."""
        self.closing.set()
        with self.lock:
            for machine in self.up():
                machine.unplug("its host was closed")
        for stray in self.strays:
            stray.kill()
            stray.wait()


@contextmanager
def running_host(
    ec2: Ec2Server, image: MachineImage, directory: Path, *, boot_s: float = 0.0
) -> Iterator[MachineHost]:
    """Run a host; each machine has a directory of its name in `directory`."""
    with running_metadata() as metadata:
        host = MachineHost(
            ec2=ec2, image=image, directory=directory, metadata=metadata, boot_s=boot_s
        )
        thread = threading.Thread(target=host.watch, name="machine host", daemon=True)
        thread.start()
        try:
            yield host
            host.check()
        finally:
            host.close()
            thread.join()
