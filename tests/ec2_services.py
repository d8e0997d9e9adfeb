"""SSM and S3 as the stand-in sees them: which call a request is, and how their errors look."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from tests.ec2_query import Reply
from tests.ec2_state import Call

SERVICES = ("ec2", "ssm", "s3")
CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>ssm|s3)/aws4_request")
STORAGE_ACTIONS = {"GET": "GetObject", "PUT": "PutObject"}


def parse_other_call(environ: Mapping[str, Any], body: bytes, at: float) -> Call | None:
    """Return the call of SSM or S3 in a signed request; None if it is for another service.

    Of S3 it knows objects; a bucket's own calls go straight to moto.
    """
    scope = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        return None
    if scope["service"] == "ssm":
        action = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[2]
        names = json.loads(body or b"{}").get("Names", [])
        params = {f"Names.{number}": name for number, name in enumerate(names, start=1)}
    else:
        bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        action = STORAGE_ACTIONS.get(environ["REQUEST_METHOD"], "") if key else ""
        params = {"Bucket": bucket, "Key": key, "ACL": environ.get("HTTP_X_AMZ_ACL", "")}
    if not action:
        return None
    return Call(
        service=scope["service"],
        action=action,
        region=scope["region"],
        at=at,
        client_token=None,
        params=params,
    )


def error_reply(call: Call, code: str, message: str, status: int) -> Reply:
    """Render an error as the call's service does."""
    if call.service == "ssm":
        body = json.dumps({"__type": code, "message": message})
        content_type = "application/x-amz-json-1.1"
    else:
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{error}</Error>'
        content_type = "application/xml"
    return Reply(status=status, body=body.encode(), code=code, content_type=content_type)
