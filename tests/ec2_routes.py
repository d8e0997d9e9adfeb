"""The stand-in's control API under /_farm/: JSON in, JSON out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from moto.ec2.exceptions import EC2ClientError

from tests import ec2_moto
from tests.ec2_query import Reply
from tests.ec2_state import BadControlError, FaultRule, Price, State, build, parse_time


@dataclass(frozen=True, kw_only=True, slots=True)
class FreeAddresses:
    """A subnet's new count of free addresses."""

    id: str
    free: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """Answers control requests; `known_actions` are the API names a fault rule may mean."""

    state: State
    known_actions: Callable[[str], bool]

    def answer(self, method: str, path: str, body: bytes) -> Reply:
        """Do one control request; a wrong one changes nothing and says why."""
        routes: dict[tuple[str, str], Callable[[Any], object]] = {
            ("POST", "reset"): self._reset,
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): lambda _: self._clear(self.state.calls),
            ("POST", "prices"): self._add_prices,
            ("DELETE", "prices"): lambda _: self._clear(self.state.prices),
            ("GET", "faults"): lambda _: [asdict(rule) for rule in self.state.faults],
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): lambda _: self._clear(self.state.faults),
            ("GET", "settings"): lambda _: asdict(self.state.settings),
            ("POST", "settings"): lambda data: asdict(self.state.change_settings(data)),
            ("GET", "instances"): lambda _: ec2_moto.list_instances(None),
            ("POST", "instances"): self._poke_instance,
            ("POST", "images"): lambda data: self._make(data, _make_image),
            ("POST", "subnets"): lambda data: self._make(data, _make_subnet),
            ("POST", "subnets/free"): self._set_free,
            ("GET", "volumes"): lambda _: ec2_moto.list_loose_volumes(),
            ("POST", "volumes"): lambda data: self._make(data, _make_volume),
            ("POST", "security-groups"): lambda data: self._make(data, _make_group),
        }
        route = routes.get((method, path.removeprefix("/_farm/")))
        if route is None:
            return _json(404, {"error": f"there is no {method} {path}"})
        try:
            return _json(200, route(json.loads(body or b"null")))
        except (BadControlError, EC2ClientError, json.JSONDecodeError) as err:
            return _json(400, {"error": str(err)})

    def _reset(self, _data: object) -> object:
        self.state.reset()
        ec2_moto.reset_all()
        return {}

    def _calls(self, _data: object) -> object:
        with self.state.lock:
            calls = [asdict(call) for call in self.state.calls]
        return {
            "calls": calls,
            "counts": Counter(call["action"] for call in calls),
            "throttled": Counter(call["action"] for call in calls if call["throttled"]),
        }

    def _clear(self, kept: list[Any]) -> object:
        with self.state.lock:
            kept.clear()
        return {}

    def _add_prices(self, data: object) -> object:
        prices = [build(Price, each) for each in _as_list(data)]
        for price in prices:
            parse_time(price.at)
        with self.state.lock:
            self.state.prices.extend(prices)
        return {}

    def _add_fault(self, data: object) -> object:
        rule = build(FaultRule, data)
        if not self.known_actions(rule.action):
            raise BadControlError(f"action: {rule.action!r} is no action of EC2, SSM or S3")
        with self.state.lock:
            self.state.faults.append(rule)
        return {}

    def _poke_instance(self, data: object) -> object:
        ec2_moto.poke_instance(build(ec2_moto.InstancePoke, data))
        return {}

    def _set_free(self, data: object) -> object:
        wanted = build(FreeAddresses, data)
        ec2_moto.set_free_addresses(wanted.id, wanted.free)
        return {}

    def _make(self, data: object, make: Callable[[object], str]) -> object:
        return {"ids": [make(each) for each in _as_list(data)]}


def _make_image(data: object) -> str:
    return ec2_moto.make_image(build(ec2_moto.ImageSpec, data))


def _make_subnet(data: object) -> str:
    return ec2_moto.make_subnet(build(ec2_moto.SubnetSpec, data))


def _make_volume(data: object) -> str:
    return ec2_moto.make_volume(build(ec2_moto.VolumeSpec, data))


def _make_group(data: object) -> str:
    return ec2_moto.make_security_group(build(ec2_moto.SecurityGroupSpec, data))


def _as_list(data: object) -> list[object]:
    if not isinstance(data, list):
        raise BadControlError(f"a JSON list is needed, not {data!r}")
    return data


def _json(status: int, data: object) -> Reply:
    body = json.dumps(data).encode()
    return Reply(status=status, body=body, content_type="application/json")
