"""Real boto3 asking the stand-in for EC2, and launches, answers and prices in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests import ec2_control

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient

EAST = "us-east-1"


def make_client(
    ec2: ec2_control.Ec2Server, region: str = EAST, read_timeout_s: float = 20
) -> EC2Client:
    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=read_timeout_s,
        max_pool_connections=64,
    )
    return boto3.client(
        "ec2",
        region,
        endpoint_url=ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=config,
    )


def make_ssm_client(ec2: ec2_control.Ec2Server, region: str = EAST) -> SSMClient:
    return boto3.client(
        "ssm",
        region,
        endpoint_url=ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )


def make_s3_client(ec2: ec2_control.Ec2Server) -> S3Client:
    return boto3.client(
        "s3",
        EAST,
        endpoint_url=ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )


def launch(ec2: ec2_control.Ec2Server, client: EC2Client, **changes: Any) -> list[str]:
    images = client.describe_images(Owners=["self"])["Images"]
    image_id = images[0]["ImageId"] if images else ec2.add_image(EAST, "worker")
    wanted: dict[str, Any] = {
        "ImageId": image_id,
        "InstanceType": "c5.large",
        "MinCount": 1,
        "MaxCount": 1,
        **changes,
    }
    return [each["InstanceId"] for each in client.run_instances(**wanted)["Instances"]]


def described(client: EC2Client, **query: Any) -> list[Any]:
    reservations = client.describe_instances(**query)["Reservations"]
    return [instance for each in reservations for instance in each["Instances"]]


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def price(usd: float, **changes: Any) -> dict[str, Any]:
    basic = {"region": EAST, "az": "us-east-1a", "ec2_type": "c5.large"}
    return {**basic, "price_usd_per_hour": usd, **changes}
