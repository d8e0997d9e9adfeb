"""The client side of the EC2 stand-in, for tests and demos: start it, seed it, look into it."""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tests.ec2_state import Call

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Ec2Server:
    """A running stand-in. Unknown fields and actions are refused with a ValueError."""

    url: str

    def reset(self) -> None:
        """Forget all calls, faults, prices, settings, and everything moto holds."""
        self._ask("POST", "reset")

    def seed_prices(self, prices: list[dict[str, Any]]) -> None:
        """Add spot prices: region, az, ec2_type, price_usd_per_hour[, product][, at].

        From then on the region has only seeded ones. `at` is an aware datetime, by default a
        minute ago; the newest past one of a (zone, type, product) is the current price.
        """
        self._ask("POST", "prices", prices)

    def add_fault(self, **rule: Any) -> None:
        """Add a fault rule, see `ec2_state.FaultRule`; the first that matches a call strikes."""
        self._ask("POST", "faults", rule)

    def faults(self) -> list[dict[str, Any]]:
        """Return the rules, with what is left of each."""
        return list(self._ask("GET", "faults"))

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self._ask("DELETE", "faults")

    def calls(self, action: str | None = None) -> list[Call]:
        """Return the recorded EC2 calls, oldest first, perhaps of one action only."""
        recorded = [Call(**each) for each in self._ask("GET", "calls")["calls"]]
        return [call for call in recorded if action in (None, call.action)]

    def call_counts(self) -> dict[str, int]:
        """Return how often each action was called, throttled and failed calls included."""
        return dict(self._ask("GET", "calls")["counts"])

    def throttled_counts(self) -> dict[str, int]:
        """Return how many calls of each action found their bucket empty."""
        return dict(self._ask("GET", "calls")["throttled"])

    def clear_calls(self) -> None:
        """Forget the recorded calls."""
        self._ask("DELETE", "calls")

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change lag_s, buckets, latency_s; return all settings."""
        return dict(self._ask("POST", "settings", changes))

    def poke_instance(self, instance_id: str, **changes: Any) -> None:
        """Change state, launch_time, state_reason {code, message}, stopped_at, impaired, tags."""
        self._ask("POST", "instances", {"id": instance_id, **changes})

    def set_free_addresses(self, subnet_id: str, free: int) -> None:
        """Make a subnet have this many free addresses."""
        self._ask("POST", "subnets/free", {"id": subnet_id, "free": free})

    def add_image(self, region: str, name: str, **fields: Any) -> str:
        """Register an own AMI, return its id; fields as in `ec2_moto.ImageSpec`."""
        return self._make("images", {"region": region, "name": name, **fields})

    def add_subnet(self, region: str, az: str, **fields: Any) -> str:
        """Make a subnet, return its id; fields are free, cidr, tags."""
        return self._make("subnets", {"region": region, "az": az, **fields})

    def add_security_group(self, region: str, name: str = "workers", **fields: Any) -> str:
        """Make a security group, return its id."""
        return self._make("security-groups", {"region": region, "name": name, **fields})

    def add_volumes(self, region: str, count: int = 1, **fields: Any) -> list[str]:
        """Make volumes that are attached to nothing, return their ids; fields: size_gib, tags."""
        spec = {"region": region, "az": f"{region}a", **fields}
        return list(self._ask("POST", "volumes", [spec] * count)["ids"])

    def loose_volumes(self) -> set[str]:
        """Return the ids of all volumes that are attached to nothing."""
        return set(self._ask("GET", "volumes"))

    def instances(self, region: str | None = None) -> list[dict[str, Any]]:
        """Return all instances as moto holds them, lag or not; no call is recorded.

        Keys: id region az state name tags lifecycle (spot, on-demand) launch_time client_token
        subnet ec2_type ami launch_index.
        """
        everything = self._ask("GET", "instances")
        return [each for each in everything if region in (None, each["region"])]

    def env(self, region: str = "us-east-1", *, key: str = "test.all") -> dict[str, str]:
        """Return the environment that makes boto3, in any process, use this server.

        `key` says with which rights: `FARM.POLICY…`, see `ec2_access`; `testing` may do all.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_EC2": self.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _make(self, what: str, spec: dict[str, Any]) -> str:
        return str(self._ask("POST", what, [spec])["ids"][0])

    def _ask(self, method: str, path: str, data: object = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, f"/_farm/{path}", json.dumps(data, default=_as_json))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"{method} /_farm/{path}: {answer['error']}")
        return answer


def name_of(instance: Mapping[str, Any]) -> str:
    """Say who an instance is: by its group's list of names, else by its tag Name, else its id."""
    prefix, tags = "farmhand:names-", instance["tags"]
    numbers = sorted(int(key.removeprefix(prefix)) for key in tags if key.startswith(prefix))
    names = ",".join(tags[f"{prefix}{number}"] for number in numbers).split(",")
    return names[instance["launch_index"]] if numbers else str(instance["name"] or instance["id"])


def token_of(instance: Mapping[str, Any]) -> str:
    """Say which launch of the journal an instance is: its call, and its index in a group."""
    grouped = "farmhand:names-0" in instance["tags"]
    token = str(instance["client_token"])
    return f"{token}-{instance['launch_index']}" if grouped else token


@contextmanager
def running_ec2_server(port: int = 0) -> Iterator[Ec2Server]:
    """Run the stand-in as a process of its own; it ends with the block, or with this process."""
    command = [sys.executable, "-m", "tests.ec2_server", "--port", str(port)]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [*command, "--until-stdin-closes"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Ec2Server(url=_read_url(process, errors))
        finally:
            process.terminate()


def _read_url(process: subprocess.Popen[str], errors: IO[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else ""
    if not line.startswith("listening on "):
        errors.seek(0)
        raise RuntimeError(f"the EC2 stand-in did not start: {errors.read()[-2000:]}")
    return line.split()[-1]


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be sent as JSON")
