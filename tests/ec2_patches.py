"""Patches to moto's classes in this process: what cannot be done from outside over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance, InstanceBackend, Reservation
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.utils import filter_dict_attribute_mapping
from moto.ssm.models import Parameter, SimpleSystemManagerBackend

NO_SUCH_INSTANCE = "i-00000000000000000"


def mend_moto(is_visible: Callable[[float], bool]) -> None:
    """Patch moto, once; `is_visible` tells from an instance's age in seconds."""
    filter_dict_attribute_mapping.update(  # moto answers these filters with HTTP 500
        {"instance-lifecycle": "lifecycle", "client-token": "client_token"}
    )
    TaggedEC2Resource.get_tags = _tags_by_id
    _say_which_version()
    _note_births()
    _terminate_once()
    _let_checks_fail()
    _page_volumes()
    _hide_young(lambda instance: is_visible(time.monotonic() - instance.farm_born_at))


def _tags_by_id(self: Any) -> list[dict[str, str]]:
    """Look a resource's tags up; moto runs a regex over everybody's, which is quadratic."""
    tags = self.ec2_backend.tags.get(self.id, {})
    return [{"resource_id": self.id, "key": key, "value": tags[key]} for key in list(tags)]


def _say_which_version() -> None:
    """Let GetParameters say which version or label it was asked for, as AWS does."""
    find = SimpleSystemManagerBackend.get_parameters
    describe = Parameter.response_object

    def get_parameters(self: Any, names: list[str]) -> dict[str, Parameter]:
        found = {name: copy(parameter) for name, parameter in find(self, names).items()}
        for name, parameter in found.items():
            parameter.farm_selector = "".join(name.partition(":")[1:])
        return found

    def response_object(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        selector = getattr(self, "farm_selector", "")
        described: dict[str, Any] = describe(self, *args, **kwargs)
        return {**described, "Selector": selector} if selector else described

    SimpleSystemManagerBackend.get_parameters = get_parameters
    Parameter.response_object = response_object


def _note_births() -> None:
    """Keep when each instance was made; free its addresses when it is terminated, as AWS does."""
    run = InstanceBackend.run_instances

    def run_instances(self: Any, *args: Any, **kwargs: Any) -> Reservation:
        reservation = run(self, *args, **kwargs)
        for instance in reservation.instances:
            instance.farm_born_at = time.monotonic()
            for nic in instance.nics.values():
                nic.delete_on_termination = True
        return reservation

    InstanceBackend.run_instances = run_instances


def _terminate_once() -> None:
    """Let who terminates an instance again change nothing; moto looks for its addresses again."""
    terminate = Instance.terminate

    def again(self: Any) -> Any:
        return copy(self._state) if self.state == "terminated" else terminate(self)

    Instance.terminate = again


def _let_checks_fail() -> None:
    """Let an instance fail EC2's check of it, which in moto all always pass."""
    passed = Instance.instance_status.fget

    def instance_status(self: Any) -> dict[str, Any]:
        status: dict[str, Any] = passed(self)
        failed = getattr(self, "farm_impaired", False) and status["Status"] == "ok"
        return {**status, "Status": "impaired"} if failed else status

    Instance.instance_status = property(instance_status)


def _page_volumes() -> None:
    """Give volumes page by page, as AWS does where it is asked to; moto gives them all."""
    describe = ElasticBlockStore.describe_volumes

    def describe_volumes(self: Any) -> ActionResult:
        volumes: list[Any] = describe(self).result["Volumes"]
        start = int(self._get_param("NextToken") or 0)
        end = start + int(self._get_param("MaxResults") or len(volumes))
        more = {"NextToken": str(end)} if end < len(volumes) else {}
        return ActionResult({"Volumes": volumes[start:end], **more})

    ElasticBlockStore.describe_volumes = describe_volumes


def _hide_young(is_seen: Callable[[Any], bool]) -> None:
    """Leave instances not yet seen out of DescribeInstances and DescribeInstanceStatus."""
    describe = InstanceBackend.describe_instances
    describe_by_id = InstanceBackend.get_reservations_by_instance_ids
    describe_status = InstanceBackend.describe_instance_status

    def describe_instances(self: Any, filters: Any = None) -> list[Reservation]:
        reservations = describe(self, filters)  # copies, made by moto for each answer
        for reservation in reservations:
            reservation.instances = [each for each in reservation.instances if is_seen(each)]
        return [reservation for reservation in reservations if reservation.instances]

    def by_instance_ids(self: Any, ids: list[str], filters: Any = None) -> list[Reservation]:
        young = {each.id for each in self.all_instances() if not is_seen(each)}
        asked = [NO_SUCH_INSTANCE if each in young else each for each in ids]
        found: list[Reservation] = describe_by_id(self, asked, filters)
        return found

    def describe_instance_status(self: Any, *args: Any) -> list[Instance]:
        return [each for each in describe_status(self, *args) if is_seen(each)]

    InstanceBackend.describe_instances = describe_instances
    InstanceBackend.get_reservations_by_instance_ids = by_instance_ids
    InstanceBackend.describe_instance_status = describe_instance_status
