"""The original tool's own files (.cfg, secrets, `<type>`) → WatchPending. Reads files only."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, TypeVar, cast

from pydantic import Field, SecretStr

from farmhand.config import FARM_NAME, GraphiteHost, Settings
from farmhand.errors import BadInput
from farmhand.validation import (
    Count,
    NonEmpty,
    Positive,
    PositiveInt,
    Problem,
    SecretUrl,
    validate,
)
from farmhand.yaml_tree import Tree
from watch_pending import config, config_machines
from watch_pending.ami_parameters import reference_problem
from watch_pending.json_tree import read_json

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
JOB = ".releng.aws.aws_watch_pending"
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, slots=True)
class _GraphiteHost:
    host: NonEmpty
    port: PositiveInt = 2003
    prefix: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Originals:
    """What the original's files say beyond WatchPending; None where they don't."""

    syslog_address: str | None = None
    getcert_server: str | None = None
    deploy_username: str | None = None
    deploy_password: SecretStr | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Secrets(Originals):
    db: SecretUrl
    graphite_hosts: tuple[_GraphiteHost, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    instance_type: NonEmpty
    bid_price: Positive
    performance_constant: Positive = 1.0
    ignored_azs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _MarketSettings:
    rules: Mapping[str, tuple[_Rule, ...]] = field(default_factory=dict)
    limits: config_machines.Limits = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Config:
    buildermap: Annotated[Mapping[str, str], Field(min_length=1)]
    region_priorities: Mapping[str, Count] = field(default_factory=dict)
    spot: _MarketSettings = field(default_factory=_MarketSettings)
    ondemand: _MarketSettings = field(default_factory=_MarketSettings)
    graphite_host: NonEmpty | None = None
    graphite_port: PositiveInt = 2003
    graphite_prefix: str = ""

    def find_problems(self) -> Iterator[Problem]:
        for pattern in self.buildermap:
            if problem := config.regex_problem(pattern):
                yield Problem(("buildermap", pattern), problem)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Device:
    size: PositiveInt | None = None
    volume_type: NonEmpty | None = None
    iops: PositiveInt | None = None
    ephemeral_name: NonEmpty | None = None
    delete_on_termination: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Region:
    subnet_ids: Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
    security_group_ids: tuple[NonEmpty, ...] = ()
    domain: str = ""
    distro: str = ""
    instance_type: NonEmpty | None = None
    ami: NonEmpty | None = None
    ssh_key: NonEmpty | None = None
    instance_profile_name: NonEmpty | None = None
    use_public_ip: bool = False  # the original always took one; ours must be asked
    device_map: Mapping[str, _Device] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Type:
    regions: Mapping[str, _Region]
    hostname: NonEmpty | None = None

    def find_problems(self) -> Iterator[Problem]:
        if self.hostname and (problem := config_machines.name_pattern_problem(self.hostname)):
            yield Problem(("hostname",), problem)
        for name, region in self.regions.items():
            if problem := reference_problem(region.ami):
                yield Problem(("regions", name, "ami"), problem)


def load_originals(
    cfg_path: Path,
    secrets_path: Path,
    regions: Sequence[str],
    environ: Mapping[str, str],
) -> Settings:
    """Read the original's files as one Settings, with the sections WatchPending and Originals.

    `regions` are those of `-r`; more are known, and the caller launches into these alone.

    Raises: BadInput with one `file:line: key: message` per problem of a file, or for
    `$FARMHAND_FARM`.
    """
    original = _build(_Config, read_json(cfg_path), cfg_path)
    secrets = _build(_Secrets, read_json(secrets_path, secret=True), secrets_path)
    mapped = dict.fromkeys([*original.buildermap.values(), *original.spot.rules])
    paths = {name: cfg_path.with_name(name) for name in mapped if name and Path(name).name == name}
    types = {name: _load_type(path) for name, path in paths.items() if path.is_file()}
    sections = {
        "watch_pending": _convert(original, secrets.db, types, regions),
        "originals": _extras(secrets),
    }
    farm = environ.get("FARMHAND_FARM") or "default"
    if not re.fullmatch(FARM_NAME, farm):
        raise BadInput(f"$FARMHAND_FARM: expected text that matches {FARM_NAME}, got {farm!r}")
    graphite = _graphite_hosts(original, secrets)
    return Settings(path=cfg_path, farm=farm, graphite=graphite, sections=sections)


def _load_type(path: Path) -> config_machines.InstanceType:
    """Read `<type>`, whose regions stand between its other keys, and find `<type>.user-data`."""
    tree = read_json(path)
    regions = {name: each for name, each in tree.data.items() if REGION.fullmatch(name)}
    data = {"hostname": tree.data.get("hostname"), "regions": regions}
    found, problems = validate(_Type, data, path.parent)
    tree.refuse(Problem(each.path[each.path[0] == "regions" :], each.message) for each in problems)
    original = cast("_Type", found)
    user_data = path.with_name(f"{path.name}.user-data")
    windows = any(region.distro.startswith("win") for region in original.regions.values())
    return config_machines.InstanceType(
        names=_names(original.hostname),
        regions={name: _place(region) for name, region in original.regions.items()},
        user_data=user_data if user_data.is_file() else None,
        product="Windows" if windows else "Linux/UNIX",
    )


def _build(kind: type[Kind], tree: Tree, path: Path) -> Kind:
    built, problems = validate(kind, tree.data, path.parent)
    tree.refuse(problems)
    return cast("Kind", built)


def _convert(
    original: _Config,
    db: SecretStr,
    types: Mapping[str, config_machines.InstanceType],
    regions: Sequence[str],
) -> config.WatchPending:
    """Convert; a mapped type without a file stays unknown, for the planner to report. Pure."""
    scopes = [*original.spot.limits, *original.ondemand.limits]
    known = [*regions, *(scope for scope in scopes if scope != "global")]
    rules = {name: tuple(map(_rule, rules)) for name, rules in original.spot.rules.items()}
    return config.WatchPending(
        scheduler_db=db,
        buildermap=original.buildermap,
        instance_types=types,
        region_priorities=dict.fromkeys(known, 1) | dict(original.region_priorities),
        spot=config_machines.Spot(rules=rules, limits=original.spot.limits),
        on_demand=config_machines.OnDemand(limits=original.ondemand.limits),
    )


def _rule(rule: _Rule) -> config_machines.SpotRule:
    return config_machines.SpotRule(
        ec2_type=rule.instance_type,
        max_price_usd_per_hour=rule.bid_price,
        performance_constant=rule.performance_constant,
        ignored_azs=rule.ignored_azs,
    )


def _extras(secrets: _Secrets) -> Originals:
    return Originals(**{each.name: getattr(secrets, each.name) for each in fields(Originals)})


def _graphite_hosts(original: _Config, secrets: _Secrets) -> tuple[GraphiteHost, ...]:
    """List where metrics go; the original itself knew what follows a prefix of its secrets."""
    hosts = [
        GraphiteHost(host=each.host, port=each.port, prefix=f"{each.prefix}{JOB}".lstrip("."))
        for each in secrets.graphite_hosts
    ]
    if original.graphite_host is not None:
        hosts.append(
            GraphiteHost(
                host=original.graphite_host,
                port=original.graphite_port,
                prefix=original.graphite_prefix,
            )
        )
    return tuple(hosts)


def _names(hostname: str | None) -> str | Mapping[config_machines.Market, str]:
    """Read a hostname pattern; the original's names say the market.

    >>> _names("bld-linux64-ec2-%03d")[config_machines.Market.SPOT]
    'bld-linux64-spot-%03d'
    """
    if hostname is None:
        return config_machines.FROM_INVENTORY
    if "-ec2-" not in hostname:
        return hostname
    return {
        config_machines.Market.ON_DEMAND: hostname,
        config_machines.Market.SPOT: hostname.replace("-ec2-", "-spot-"),
    }


def _place(region: _Region) -> config_machines.Place:
    """Convert one region; like the original, it takes the newest tagged AMI before its `ami`."""
    return config_machines.Place(
        subnets=tuple(dict.fromkeys(region.subnet_ids)),
        security_groups=tuple(dict.fromkeys(region.security_group_ids)),
        ami_if_untagged=region.ami,
        ec2_type=region.instance_type,
        domain=region.domain,
        ssh_key=region.ssh_key,
        instance_profile=region.instance_profile_name,
        public_address=region.use_public_ip,
        disks={name: _disk(device) for name, device in region.device_map.items()},
        tags=region.tags,
    )


def _disk(device: _Device) -> config_machines.Disk:
    volume_type = device.volume_type or "gp3"
    return config_machines.Disk(
        size_gib=device.size,
        volume_type=volume_type,
        iops=device.iops if volume_type.startswith("io") else None,  # as the original does
        ephemeral=device.ephemeral_name,
        delete_on_termination=device.delete_on_termination,
    )
