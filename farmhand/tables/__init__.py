"""Every table of the farm database, in one MetaData; no queries."""

from farmhand.tables import builds, farm, launches, records
from farmhand.tables.base import metadata

__all__ = ["builds", "farm", "launches", "metadata", "records"]
