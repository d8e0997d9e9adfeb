"""A line of the AWS command line, done by boto3: `python -m tests.aws_line iam create-role …`."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

ADMINISTRATOR = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Read options as boto3 takes them; a file's text stands for `file://…`.

    >>> read_options(["--role-name", "bld", "--tags", "Key=team,Value=a"])
    {'RoleName': 'bld', 'Tags': [{'Key': 'team', 'Value': 'a'}]}
    """
    found: dict[str, Any] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        name = "".join(word.capitalize() for word in option.removeprefix("--").split("-"))
        if name == "Tags":
            found[name] = [dict(pair.split("=") for pair in value.split(","))]
        elif value.startswith("file://"):
            found[name] = Path(value.removeprefix("file://")).read_text()
        else:
            found[name] = value
    return found


def main() -> None:
    """Do it, at the endpoint that the environment names."""
    service, verb, *words = sys.argv[1:]
    make_client: Any = boto3.client
    client = make_client(service, "us-east-1", **ADMINISTRATOR)
    getattr(client, re.sub("-", "_", verb))(**read_options(words))


if __name__ == "__main__":
    main()
