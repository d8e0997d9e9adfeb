"""The original tool's own files (.cfg, secrets, `<type>`) → WatchPending. Reads files only."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field, SecretStr

from farmhand.config import FARM_NAME, Settings
from farmhand.errors import BadInput
from farmhand.validation import KeyPath, Place, Problem, SecretUrl, refuse, validate
from farmhand.yaml_tree import Tree, read_text
from watch_pending import config

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?=(?P<colon>\s*:)?)|[\[\]{},]|[^\s\[\]{},:"]+')
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphiteHost:
    """Where metrics are sent, in Graphite's plain text."""

    host: config.NonEmpty
    port: config.PositiveInt = 2003
    prefix: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Originals:
    """What the original's files say beyond WatchPending; None where they don't."""

    graphite_hosts: tuple[GraphiteHost, ...] = ()
    syslog_address: str | None = None
    getcert_server: str | None = None
    deploy_username: str | None = None
    deploy_password: SecretStr | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Secrets(Originals):
    db: SecretUrl


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    instance_type: config.NonEmpty
    bid_price: config.Positive
    performance_constant: config.Positive = 1.0
    ignored_azs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _MarketSettings:
    rules: Mapping[str, tuple[_Rule, ...]] = field(default_factory=dict)
    limits: config.Limits = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Config:
    buildermap: Annotated[Mapping[str, str], Field(min_length=1)]
    region_priorities: Mapping[str, config.Count] = field(default_factory=dict)
    spot: _MarketSettings = field(default_factory=_MarketSettings)
    ondemand: _MarketSettings = field(default_factory=_MarketSettings)
    graphite_host: config.NonEmpty | None = None
    graphite_port: config.PositiveInt = 2003
    graphite_prefix: str = ""

    def find_problems(self) -> Iterator[Problem]:
        for pattern in self.buildermap:
            if problem := config.regex_problem(pattern):
                yield Problem(("buildermap", pattern), problem)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Device:
    size: config.PositiveInt | None = None
    volume_type: config.NonEmpty | None = None
    iops: config.PositiveInt | None = None
    ephemeral_name: config.NonEmpty | None = None
    delete_on_termination: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _Region:
    subnet_ids: Annotated[tuple[config.NonEmpty, ...], Field(min_length=1)]
    security_group_ids: tuple[config.NonEmpty, ...] = ()
    domain: str = ""
    distro: str = ""
    instance_type: config.NonEmpty | None = None
    ami: config.NonEmpty | None = None
    ssh_key: config.NonEmpty | None = None
    instance_profile_name: config.NonEmpty | None = None
    use_public_ip: bool = False  # the original always took one; ours must be asked
    device_map: Mapping[str, _Device] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Type:
    regions: Mapping[str, _Region]
    hostname: config.NonEmpty | None = None

    def find_problems(self) -> Iterator[Problem]:
        if self.hostname and (problem := config.name_pattern_problem(self.hostname)):
            yield Problem(("hostname",), problem)


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
        "originals": _extras(original, secrets),
    }
    farm = environ.get("FARMHAND_FARM") or "default"
    if not re.fullmatch(FARM_NAME, farm):
        raise BadInput(f"$FARMHAND_FARM: expected text that matches {FARM_NAME}, got {farm!r}")
    return Settings(path=cfg_path, farm=farm, sections=sections)


def _load_type(path: Path) -> config.InstanceType:
    """Read `<type>`, whose regions stand between its other keys, and find `<type>.user-data`."""
    tree = read_json(path)
    regions = {name: each for name, each in tree.data.items() if REGION.fullmatch(name)}
    data = {"hostname": tree.data.get("hostname"), "regions": regions}
    found, problems = validate(_Type, data, path.parent)
    tree.refuse(Problem(each.path[each.path[0] == "regions" :], each.message) for each in problems)
    original = cast("_Type", found)
    user_data = path.with_name(f"{path.name}.user-data")
    windows = any(region.distro.startswith("win") for region in original.regions.values())
    return config.InstanceType(
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
    types: Mapping[str, config.InstanceType],
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
        spot=config.Spot(rules=rules, limits=original.spot.limits),
        on_demand=config.OnDemand(limits=original.ondemand.limits),
    )


def _rule(rule: _Rule) -> config.SpotRule:
    return config.SpotRule(
        ec2_type=rule.instance_type,
        max_price_usd_per_hour=rule.bid_price,
        performance_constant=rule.performance_constant,
        ignored_azs=rule.ignored_azs,
    )


def _extras(original: _Config, secrets: _Secrets) -> Originals:
    extras = {each.name: getattr(secrets, each.name) for each in fields(Originals)}
    if original.graphite_host is not None:
        host = GraphiteHost(
            host=original.graphite_host,
            port=original.graphite_port,
            prefix=original.graphite_prefix,
        )
        extras["graphite_hosts"] = (*secrets.graphite_hosts, host)
    return Originals(**extras)


def _names(hostname: str | None) -> str | Mapping[config.Market, str]:
    """Read a hostname pattern; the original's names say the market.

    >>> _names("bld-linux64-ec2-%03d")[config.Market.SPOT]
    'bld-linux64-spot-%03d'
    """
    if hostname is None:
        return config.FROM_INVENTORY
    if "-ec2-" not in hostname:
        return hostname
    return {
        config.Market.ON_DEMAND: hostname,
        config.Market.SPOT: hostname.replace("-ec2-", "-spot-"),
    }


def _place(region: _Region) -> config.Place:
    """Convert one region; like the original, it takes the newest tagged AMI before its `ami`."""
    return config.Place(
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


def _disk(device: _Device) -> config.Disk:
    volume_type = device.volume_type or "gp3"
    return config.Disk(
        size_gib=device.size,
        volume_type=volume_type,
        iops=device.iops if volume_type.startswith("io") else None,  # as the original does
        ephemeral=device.ephemeral_name,
        delete_on_termination=device.delete_on_termination,
    )


def read_json(path: Path, *, secret: bool = False) -> Tree:
    """Read a JSON object whose keys are all different.

    Raises: BadInput, with the line.
    """
    text = read_text(path, secret=secret)
    if not text.strip():
        raise BadInput(f"{path}: the file is empty")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as err:
        tab = text[err.pos : err.pos + 1] == "\t"
        said = r"a tab inside a string; write \t" if tab else err.msg
        raise BadInput(f"{path}:{err.lineno}: not valid JSON: {said}") from err
    except (RecursionError, ValueError) as err:
        raise BadInput(f"{path}: nested too deeply, or a number too long") from err
    if not isinstance(data, dict):
        raise BadInput(f"{Place(str(path), 1)}: expected an object, {{…}}, at the top")
    return Tree(data, _find_places(text, str(path)))


def _find_places(text: str, file: str) -> dict[KeyPath, Place]:
    """Find the line of every key path in valid JSON, which must not repeat one."""
    places: dict[KeyPath, Place] = {}
    repeated: dict[KeyPath, tuple[Place, Problem]] = {}
    path: list[Any] = []  # one part per open container: a list's index or an object's key
    line, end = 1, 0
    for token in TOKEN.finditer(text):
        line, end = line + text.count("\n", end, token.start()), token.start()
        if token[0] in {"}", "]"}:
            path.pop()
        elif token[0] == ",":
            path[-1] += 1 if isinstance(path[-1], int) else ""
        else:
            place = Place(file, line)
            if token["colon"]:
                path[-1] = json.loads(token[0])
            where = tuple(path)
            if token["colon"] and where in places:
                first = f"this key already stands in line {places[where].line}"
                if not any(where[: len(outer)] == outer for outer in repeated):
                    repeated[where] = (place, Problem(where, first))
            places.setdefault(where, place)
            if token[0] in {"{", "["}:
                path.append("" if token[0] == "{" else 0)
    refuse(repeated.values())
    return places
