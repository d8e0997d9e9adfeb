"""What each command would make anew, made once before they are forked: the readers of its
configuration, and what boto3 reads from its own files.

Imported by the server they are forked from, and by nothing else.
"""

from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.client import ClientCreator
from botocore.loaders import Loader, create_loader

from farmhand.config import SECTIONS, find_section
from farmhand.validation import validate

for name in SECTIONS:
    validate(find_section(name), {}, Path())

LOADER = create_loader()


def _share_loader(search_path_string: str | None = None) -> Loader:
    del search_path_string  # AWS_DATA_PATH, which no test sets
    return LOADER


_make_class = ClientCreator._create_client_class  # type: ignore[attr-defined]
_classes: dict[str, type] = {}


def _share_class(creator: ClientCreator, service_name: str, service_model: Any) -> type:
    """Make a service's class once: it has a method for each of its hundreds of operations."""
    if service_name not in _classes:
        _classes[service_name] = _make_class(creator, service_name, service_model)
    return _classes[service_name]


botocore.session.create_loader = _share_loader
ClientCreator._create_client_class = _share_class  # type: ignore[attr-defined]
_SESSION = boto3.session.Session("unused", "unused", region_name="us-east-1")
_SESSION.client("ec2")
_SESSION.client("s3")
_SESSION.client("ssm")
