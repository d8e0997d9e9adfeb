"""Every table of the farm database, in one MetaData; no queries."""

from farmhand.tables import farm, launches, records
from farmhand.tables.base import metadata

__all__ = ["farm", "launches", "metadata", "records"]
