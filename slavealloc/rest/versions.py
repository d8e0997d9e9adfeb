"""A row as it is, and the tag that says which of its editions that is; pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slavealloc.rest.resources import Resource

DIGITS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A row as the API shows it; `etag` changes with what may be edited in it, and nothing else."""

    id: int
    name: str
    row: Mapping[str, Any]
    etag: str


def find_etag(
    resource: Resource, columns: Mapping[str, Any], last_change: int | None = None
) -> str:
    """Digest what may be edited in a row: column → value.

    Hidden fields could be guessed from a digest: `last_change`, the id of the row's latest change
    in the audit, stands for them.
    """
    editable = sorted(
        resource.fields[field]
        for field in resource.edit.__annotations__
        if field in resource.fields
    )
    document = [resource.table, columns["id"], last_change, [columns[name] for name in editable]]
    return digest(json.dumps(document).encode())


def digest(content: bytes) -> str:
    """Make a tag of any content."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]
