"""Plan → the requests to send, whole: what can't be rendered fails before anything starts."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from farmhand.errors import BadInput, FarmError
from watch_pending.config import WatchPending
from watch_pending.models import Exhausted, Launch, Outcome, Plan, Snapshot, Status
from watch_pending.request import PreparedLaunch, Stamp, format_request, fqdn, why_too_large
from watch_pending.userdata import Template, make_fields, render_user_data


@dataclass(frozen=True, kw_only=True, slots=True)
class Renderer:
    """What rendering needs: settings, templates by instance type, and certificates by host."""

    farm: str
    config: WatchPending
    templates: Mapping[str, Template]
    find_certificate: Callable[[str], str | None]


def prepare(
    renderer: Renderer, plan: Plan, snapshot: Snapshot
) -> tuple[list[PreparedLaunch], list[Outcome]]:
    """Render everything a plan needs before anything starts; what can't be rendered has failed."""
    images = {(image.region, image.ami): image for image in snapshot.images}
    prepared: list[PreparedLaunch] = []
    refused: list[Outcome] = []
    for launch in plan.launches:
        token = uuid.uuid4().hex
        place = renderer.config.instance_types[launch.instance_type].regions[launch.offer.region]
        try:
            user_data = render(renderer, launch, token)
        except FarmError as err:
            refused.append(_refusal(launch, str(err)))
            continue
        request = format_request(
            launch,
            place,
            images[launch.offer.region, launch.offer.ami],
            Stamp(farm=renderer.farm, token=token),
            user_data,
        )
        prepared.append(PreparedLaunch(launch=launch, token=token, request=request))
    return prepared, refused


def render(renderer: Renderer, launch: Launch, token: str) -> str:
    """Render a machine's user data; raises BadInput where it can't be, or is too large for EC2."""
    template = renderer.templates.get(launch.instance_type)
    if template is None:
        return ""
    region = launch.offer.region
    domain = renderer.config.instance_types[launch.instance_type].regions[region].domain
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
    )
    user_data = render_user_data(template, fields)
    if reason := why_too_large(user_data):
        raise BadInput(f"{template.path}: {reason}")
    return user_data


def _refusal(launch: Launch, reason: str) -> Outcome:
    exhausted = Exhausted(reason=reason, instance_type=launch.instance_type)
    return Outcome(launch=launch, status=Status.FAILED, reason=reason, exhausted=exhausted)
