"""What each command would make anew, made once before they are forked: the readers of its
configuration, and what boto3 reads from its own files.

Imported by the server they are forked from, and by tests that run commands in their own process.
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


_load_model = ClientCreator._load_service_model  # type: ignore[attr-defined]
_make_class = ClientCreator._create_client_class  # type: ignore[attr-defined]
_models: dict[str, Any] = {}
_classes: dict[str, type] = {}


def _share_model(creator: ClientCreator, service_name: str, api_version: None = None) -> Any:
    """Keep what a service can do, and what was made of it when it was first asked."""
    if service_name not in _models:
        _models[service_name] = _load_model(creator, service_name, api_version)
    return _models[service_name]


def _share_class(creator: ClientCreator, service_name: str, service_model: Any) -> type:
    """Make a service's class once: it has a method for each of its hundreds of operations."""
    if service_name not in _classes:
        _classes[service_name] = _make_class(creator, service_name, service_model)
    return _classes[service_name]


ClientCreator._load_service_model = _share_model  # type: ignore[attr-defined]
ClientCreator._create_client_class = _share_class  # type: ignore[attr-defined]
botocore.session.create_loader = _share_loader
_SESSION = boto3.session.Session("unused", "unused", region_name="us-east-1")
_SESSION.client("s3")
_SESSION.client("ssm")
# Its first paginator lists the hundreds of directories of botocore's services.
_SESSION.client("ec2").get_paginator("describe_instances")
