"""Plan → the requests to send, whole: what can't be rendered fails before anything starts."""

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farmhand.errors import BadInput, FarmError
from watch_pending.config import WatchPending
from watch_pending.config_machines import Place
from watch_pending.groups import count_free_tags
from watch_pending.models import Exhausted, Launch, Outcome, Snapshot, Status
from watch_pending.name_tags import member_token, own_tags, widen
from watch_pending.request import (
    PreparedCall,
    PreparedLaunch,
    Stamp,
    format_request,
    fqdn,
    why_too_large,
)
from watch_pending.userdata import Template, is_index_aware, make_fields, render_user_data


class TooLarge(BadInput):
    """User data of more bytes than EC2 takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Renderer:
    """What rendering needs: settings, templates by instance type, and certificates by host."""

    farm: str
    config: WatchPending
    templates: Mapping[str, Template]
    find_certificate: Callable[[str], str | None]


def prepare(
    renderer: Renderer, calls: Iterable[tuple[Launch, ...]], snapshot: Snapshot
) -> tuple[list[PreparedCall], list[Outcome]]:
    """Render everything a plan needs before anything starts; what can't be rendered has failed.

    A group whose user data gets too large is halved until it fits.
    """
    images = {(image.region, image.ami): image for image in snapshot.images}
    prepared: list[PreparedCall] = []
    refused: list[Outcome] = []
    waiting = deque(calls)
    while waiting:
        call = waiting.popleft()
        token = uuid.uuid4().hex
        try:
            user_data = render(renderer, call, token)
        except FarmError as err:
            half = len(call) // 2
            if half and isinstance(err, TooLarge):
                waiting.extendleft((call[half:], call[:half]))
            else:
                refused.extend(_refusal(launch, str(err)) for launch in call)
            continue
        place = _place_of(renderer, call[0])
        request = format_request(
            call[0],
            place,
            images[call[0].offer.region, call[0].offer.ami],
            Stamp(farm=renderer.farm, token=token),
            user_data,
        )
        prepared.append(_prepare_call(call, token, request, place.domain))
    return prepared, refused


def _prepare_call(
    call: tuple[Launch, ...], token: str, request: Mapping[str, Any], domain: str
) -> PreparedCall:
    """Give each launch of a call its identity; one that is alone has all of it in the call."""
    if len(call) == 1:
        alone = PreparedLaunch(launch=call[0], token=token, request=request)
        return PreparedCall(launches=(alone,))
    request = widen(request, [launch.name for launch in call], domain)
    return PreparedCall(
        launches=tuple(
            PreparedLaunch(
                launch=launch,
                token=member_token(token, index),
                request=request,
                lacks=tuple(own_tags(launch.name, domain).items()),
            )
            for index, launch in enumerate(call)
        )
    )


def render(renderer: Renderer, call: Sequence[Launch], token: str) -> str:
    """Render the user data of a call's machines.

    Raises BadInput where it can't be rendered, TooLarge where EC2 would not take it.
    """
    launch = call[0]
    template = renderer.templates.get(launch.instance_type)
    if template is None:
        return ""
    region = launch.offer.region
    domain = _place_of(renderer, launch).domain
    full_name = fqdn(launch.name, domain)
    wanted = "puppet_cert" in template.text
    fields = make_fields(
        moz_instance_type=launch.instance_type,
        hostname=launch.name,
        domain=domain,
        region=region,
        market=launch.offer.market.value,
        farm=renderer.farm,
        launch_id=token,
        puppet_cert=renderer.find_certificate(full_name) if wanted else None,
        names=[each.name for each in call],
    )
    user_data = render_user_data(template, fields)
    if reason := why_too_large(user_data):
        raise TooLarge(f"{template.path}: {reason}")
    return user_data


def find_free_tags(renderer: Renderer) -> dict[tuple[str, str], int]:
    """Count the tags that lists of names may have: (instance type, region) → tags.

    Only of types whose user data will do for many machines.
    """
    return {
        (name, region): count_free_tags(place)
        for name, template in renderer.templates.items()
        if is_index_aware(template)
        for region, place in renderer.config.instance_types[name].regions.items()
    }


def _place_of(renderer: Renderer, launch: Launch) -> Place:
    return renderer.config.instance_types[launch.instance_type].regions[launch.offer.region]


def _refusal(launch: Launch, reason: str) -> Outcome:
    exhausted = Exhausted(reason=reason, instance_type=launch.instance_type)
    return Outcome(launch=launch, status=Status.FAILED, reason=reason, exhausted=exhausted)
