"""What earlier runs wrote of AWS's refusals: what of it still holds, and what is void."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from farmhand.db import FarmDb
from farmhand.errors import Unavailable
from watch_pending import backoff_queries
from watch_pending.backoff_models import Backoff, Kind
from watch_pending.models import Image, Snapshot
from watch_pending.settings import WatchPendingSettings
from watch_pending.settings_digest import Digests, Remembered, digest_settings, find_void
from watch_pending.sight import Sight

if TYPE_CHECKING:
    from watch_pending.aws import Aws

log = logging.getLogger("watch-pending")


def find_digests(
    settings: WatchPendingSettings, aws: "Aws", images: Iterable[Image]
) -> dict[tuple[str, str], str | None]:
    """Digest what each type's launches rest on now; raises Unavailable without credentials."""
    from watch_pending.aws import Ec2Error

    try:
        key_id = aws.key_id()
    except Ec2Error as err:
        raise Unavailable(str(err)) from err
    templates = {name: template.text for name, template in settings.read_templates().items()}
    return digest_settings(settings.watch, templates, images, key_id)


def recall(settings: WatchPendingSettings, sight: Sight) -> Sight:
    """Leave out the back-offs whose settings have changed, or all such ones with --retry-stopped.

    Where EC2 was not asked, nothing can be said of settings, since they have to do with AMIs.
    """
    digests: Digests = {}
    void: tuple[Backoff, ...] = ()
    backoffs = sight.snapshot.backoffs
    if sight.aws and sight.cloud:
        digests = find_digests(settings, sight.aws, sight.cloud.images)
        void = find_void(backoffs, digests)
    if settings.retry_stopped:
        void = tuple(item for item in backoffs if item.kind is Kind.SETTINGS)
    for item in void:
        log.info("%s: no longer stopped, it is tried again", item.where)
    kept = tuple(item for item in backoffs if item not in void)
    return replace(
        sight,
        snapshot=replace(sight.snapshot, backoffs=kept),
        remembered=Remembered(digests=digests, void=void),
    )


def delete_void(database: FarmDb, void: Iterable[Backoff]) -> None:
    """Delete the rows that were left out, unless they have changed since."""
    with database.begin() as connection:
        backoff_queries.delete_void(connection, void)


def look_again(database: FarmDb, snapshot: Snapshot) -> Snapshot:
    """Read the back-offs anew: a run that launched has written and deleted some."""
    with database.begin() as connection:
        return replace(snapshot, backoffs=backoff_queries.read_backoffs(connection))
