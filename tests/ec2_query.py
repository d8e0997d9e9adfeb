"""EC2's query protocol as the stand-in speaks it: form fields in, XML out (pure)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.ec2_state import Call

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/ec2/aws4_request")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One whole HTTP answer; `code` is EC2's error code, if it is an error."""

    status: int
    body: bytes
    code: str | None = None
    content_type: str = "text/xml; charset=UTF-8"


AskMoto = Callable[[Mapping[str, str]], Reply]
"""Passes form fields to moto's server on behalf of the call in hand."""


class Ec2Error(Exception):
    """An answer EC2 gives instead of doing what it was asked."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def reply(self) -> Reply:
        """Render as EC2's error document."""
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Response><Errors><Error><Code>{escape(self.code)}</Code>"
            f"<Message>{escape(str(self))}</Message></Error></Errors>"
            f"<RequestID>{uuid.uuid4()}</RequestID></Response>"
        )
        return Reply(status=self.status, body=body.encode(), code=self.code)


def parse_call(authorization: str, body: bytes, at: float) -> Call | None:
    """Return the EC2 call in a signed POST, None if it is for another service."""
    scope = CREDENTIAL.search(authorization)
    params = dict(parse_qsl(body.decode(), keep_blank_values=True)) if scope else {}
    if scope is None or "Action" not in params:
        return None
    return Call(
        action=params["Action"],
        region=scope["region"],
        at=at,
        client_token=params.get("ClientToken"),
        params=params,
    )


def list_param(params: Mapping[str, str], prefix: str) -> list[str]:
    """Return the values of `prefix.1`, `prefix.2`, …

    >>> list_param({"ImageId.2": "ami-b", "ImageId.1": "ami-a", "ImageIdle.1": "x"}, "ImageId")
    ['ami-a', 'ami-b']
    """
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)")
    found = [(int(match[1]), params[key]) for key in params if (match := pattern.fullmatch(key))]
    return [value for _, value in sorted(found)]


def filters(params: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the request's filters, name → accepted values.

    >>> filters({"Filter.1.Name": "state", "Filter.1.Value.1": "running"})
    {'state': ['running']}
    """
    numbers = [match[1] for key in params if (match := re.fullmatch(r"Filter\.(\d+)\.Name", key))]
    return {
        params[f"Filter.{number}.Name"]: list_param(params, f"Filter.{number}.Value")
        for number in numbers
    }


def groups(params: Mapping[str, str], prefix: str) -> list[dict[str, str]]:
    """Return the structures `prefix.1.*`, `prefix.2.*`, … as dicts of their inner keys.

    >>> groups({"Disk.2.Name": "b", "Disk.1.Name": "a", "Disk.1.Ebs.Size": "8"}, "Disk")
    [{'Name': 'a', 'Ebs.Size': '8'}, {'Name': 'b'}]
    """
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)\.(.+)")
    found: dict[int, dict[str, str]] = {}
    for key, value in params.items():
        if match := pattern.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[number] for number in sorted(found)]


def with_groups(
    params: Mapping[str, str], prefix: str, structures: list[dict[str, str]]
) -> dict[str, str]:
    """Return `params` with all `prefix.N.*` replaced by `structures`, numbered anew."""
    kept = {key: value for key, value in params.items() if not key.startswith(f"{prefix}.")}
    for number, structure in enumerate(structures, start=1):
        kept |= {f"{prefix}.{number}.{key}": value for key, value in structure.items()}
    return kept
