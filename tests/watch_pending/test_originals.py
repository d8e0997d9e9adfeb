"""The original's own files, read as they are."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmhand.config import Settings
from farmhand.errors import BadInput
from watch_pending.config import Disk, InstanceType, Market, Place, WatchPending
from watch_pending.originals import GraphiteHost, Originals, load_originals, read_json

EXAMPLES = Path("configs/originals")
REGIONS = ("us-east-1", "us-west-2")
REGION = {"subnet_ids": ["subnet-1", "subnet-2", "subnet-1"]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class Files:
    """A directory with the original's files, each of which a test may replace."""

    def __init__(self, directory: Path) -> None:
        self.cfg = directory / "watch_pending.cfg"
        self.secrets = directory / "aws-secrets.json"
        self.type = directory / "bld"
        self.write(self.cfg, {"buildermap": {"^Linux": "bld"}})
        self.write(self.secrets, {"db": "mysql://reader:hunter2@db/buildbot"})
        self.write(self.type, {"hostname": "bld-ec2-%03d", "us-east-1": REGION})

    def write(self, path: Path, data: Mapping[str, object]) -> None:
        path.write_text(json.dumps(data, indent=2))
        path.chmod(0o600)

    def load(self, regions: tuple[str, ...] = REGIONS, **environ: str) -> Settings:
        return load_originals(self.cfg, self.secrets, regions, environ)

    def section(self) -> WatchPending:
        return self.load().section(WatchPending)

    def load_type(self, **region: object) -> InstanceType:
        self.write(self.type, {"hostname": "bld-ec2-%03d", "us-east-1": {**REGION, **region}})
        return self.section().instance_types["bld"]

    def load_region(self, **region: object) -> Place:
        return self.load_type(**region).regions["us-east-1"]

    def load_disk(self, **device: object) -> Disk:
        return self.load_region(device_map={"/dev/sda1": device}).disks["/dev/sda1"]

    def error(self) -> str:
        with pytest.raises(BadInput) as caught:
            self.load()
        return str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def example(tmp_path: Path) -> Settings:
    secrets = tmp_path / "aws-secrets.json"
    shutil.copyfile(EXAMPLES / "aws-secrets.json.example", secrets)
    secrets.chmod(0o600)
    return load_originals(EXAMPLES / "watch_pending.cfg", secrets, REGIONS, {})


def test_the_example_loads(example: Settings) -> None:
    assert list(example.section(WatchPending).instance_types) == ["bld-linux64", "tst-linux64"]


def test_a_mapped_type_without_its_file_stays_in_the_buildermap(example: Settings) -> None:
    assert "try-linxu64" in example.section(WatchPending).buildermap.values()


def test_the_example_shows_no_password(example: Settings) -> None:
    assert "CHANGE-ME" not in repr(example)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.user-data")), ids=lambda path: path.stem)
def test_the_example_templates_are_python_formats(path: Path) -> None:
    fields = "moz_instance_type hostname domain fqdn region_dns_atom puppet_server password"
    assert "+" in path.read_text().format(**dict.fromkeys(fields.split(), "x"))


# watch_pending.cfg


def test_limits_keep_their_zeros(example: Settings) -> None:
    limits = example.section(WatchPending).on_demand.limits
    assert limits == {"global": {"bld-linux64": 5, "tst-linux64": 0}}


def test_a_bid_is_the_highest_price(example: Settings) -> None:
    rule = example.section(WatchPending).spot.rules["bld-linux64"][1]
    found = (rule.ec2_type, rule.max_price_usd_per_hour, rule.performance_constant)
    assert found == ("m3.xlarge", 0.18, 1.1)


def test_ignored_zones_are_kept(example: Settings) -> None:
    rule = example.section(WatchPending).spot.rules["bld-linux64"][0]
    assert rule.ignored_azs == ("us-east-1b", "us-east-1e")


@pytest.mark.parametrize(
    ("cfg", "priorities"),
    [
        pytest.param({}, {"us-east-1": 1, "us-west-2": 1}, id="none given"),
        pytest.param(
            {"region_priorities": {"us-west-2": 6, "eu-west-1": 0}},
            {"us-east-1": 1, "us-west-2": 6, "eu-west-1": 0},
            id="some given",
        ),
        pytest.param(
            {"spot": {"limits": {"global": {"bld": 1}, "us-west-1": {"bld": 1}}}},
            {"us-east-1": 1, "us-west-2": 1, "us-west-1": 1},
            id="limited",
        ),
    ],
)
def test_every_region_has_a_priority(
    files: Files, cfg: dict[str, Any], priorities: dict[str, int]
) -> None:
    files.write(files.cfg, {"buildermap": {"^Linux": "bld"}, **cfg})
    assert files.section().region_priorities == priorities


def test_unknown_keys_and_prose_are_ignored(files: Files) -> None:
    files.write(files.cfg, {"comment": "x", "buildermap": {"^Linux": "bld"}, "other": {"a": 1}})
    assert files.load().farm == "default"


def test_the_farm_comes_from_the_environment(files: Files) -> None:
    assert files.load(FARMHAND_FARM="prod").farm == "prod"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("", ": the file is empty", id="empty"),
        pytest.param("[]", ":1: expected an object, {…}, at the top", id="list"),
        pytest.param("{\n'a': 1}", ":2: not valid JSON: Expecting property name", id="quotes"),
        pytest.param('{"a":\n"b\tc"}', ":2: not valid JSON: a tab inside a string", id="tab"),
        pytest.param('{"a": 1,\n "a": 2}', ":2: a: this key already stands in line 1", id="twice"),
        pytest.param("{}", ":1: buildermap: is required, but missing", id="no buildermap"),
        pytest.param(
            '{"buildermap": {}}', ":1: buildermap: expected at least 1 item(s)", id="empty map"
        ),
        pytest.param(
            '{"buildermap": {\n"^a": "x",\n\n"^a": "y"}}',
            ':4: buildermap["^a"]: this key already stands in line 2',
            id="pattern twice",
        ),
        pytest.param(
            '{"buildermap": {\n"a(": "x"}}',
            ':2: buildermap["a("]: the pattern does not compile',
            id="pattern",
        ),
        pytest.param(
            '{"buildermap": {"a": "x"}, "spot": {"rules": {"x": [\n{"instance_type": "m1",'
            '\n"bid_price": 0}]}}}',
            ":3: spot.rules.x[0].bid_price: expected more than 0",
            id="bid of zero",
        ),
        pytest.param("[" * 100_000, ": nested too deeply", id="deep"),
        pytest.param('{"a": 1' + "0" * 5000 + "}", "or a number too long", id="long number"),
    ],
)
def test_a_mistake_names_its_line(files: Files, text: str, error: str) -> None:
    files.cfg.write_text(text)
    assert f"{files.cfg}{error}" in files.error() or error in files.error()


def test_tabs_between_values_are_json(files: Files) -> None:
    files.cfg.write_text('{\t"buildermap":\t{\n\t\t"^Linux": "bld"\n\t}\n}')
    assert files.section().buildermap == {"^Linux": "bld"}


def test_a_key_may_stand_once_in_each_object(files: Files) -> None:
    files.cfg.write_text('{"buildermap": {"a": "bld"}, "x": [{"a": "a"}, {"a": {"a": 1}}], "a": 1}')
    assert files.section().buildermap == {"a": "bld"}


def all_paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return {path}.union(*(all_paths(each, (*path, key)) for key, each in items))


@given(data=st.dictionaries(st.text(), VALUES), indent=st.none() | st.integers(0, 4))
def test_every_path_of_a_json_file_has_its_place(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, object], indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("json") / "f.json"
    path.write_text(json.dumps(data, indent=indent))
    assert set(read_json(path).places) == all_paths(data)


# <type> and <type>.user-data


BOTH = {Market.ON_DEMAND: "bld-ec2-%03d", Market.SPOT: "bld-spot-%03d"}


@pytest.mark.parametrize(
    ("hostname", "names"),
    [
        pytest.param({"hostname": "bld-ec2-%03d"}, BOTH, id="ec2 means on-demand"),
        pytest.param({"hostname": "bld-%03d"}, "bld-%03d", id="without ec2, one for both"),
        pytest.param({}, "workers", id="without hostname, from the inventory"),
    ],
)
def test_the_hostname_gives_the_names(
    files: Files, hostname: dict[str, str], names: object
) -> None:
    files.write(files.type, {**hostname, "us-east-1": REGION})
    assert files.section().instance_types["bld"].names == names


def test_a_hostname_without_a_number_is_an_error(files: Files) -> None:
    files.write(files.type, {"hostname": "bld-ec2", "us-east-1": REGION})
    assert files.error().startswith(f"{files.type}:2: hostname: a name pattern needs one %d")


def test_a_subnet_twice_counts_once_in_its_place(files: Files) -> None:
    assert files.load_region().subnets == ("subnet-1", "subnet-2")


def test_a_mistake_in_a_region_names_its_line_and_the_originals_key(files: Files) -> None:
    files.write(files.type, {"hostname": "bld-ec2-%03d", "us-east-1": {"subnet_ids": []}})
    message = f'{files.type}:4: ["us-east-1"].subnet_ids: expected at least 1 item(s)'
    assert files.error() == message


@pytest.mark.parametrize(
    ("key", "value", "ours"),
    [
        ("domain", "build.example.com", "domain"),
        ("ssh_key", "aws-releng", "ssh_key"),
        ("instance_type", "c3.xlarge", "ec2_type"),
        ("instance_profile_name", "bld", "instance_profile"),
        ("use_public_ip", False, "public_address"),
        ("tags", {"moz-type": "bld"}, "tags"),
    ],
)
def test_a_region_is_converted(files: Files, key: str, value: object, ours: str) -> None:
    assert getattr(files.load_region(**{key: value}), ours) == value


def test_the_base_ami_is_not_what_is_launched(files: Files) -> None:
    assert files.load_region(ami="ami-1").ami is None


def test_machines_have_a_public_address_unless_told_otherwise(files: Files) -> None:
    assert files.load_region().public_address


def test_a_disk_is_converted(files: Files) -> None:
    disk = files.load_disk(size=20, volume_type="io1", iops=300, skip_resize=True)
    assert (disk.size_gib, disk.volume_type, disk.iops) == (20, "io1", 300)


def test_iops_count_for_provisioned_volumes_alone(files: Files) -> None:
    assert files.load_disk(volume_type="gp2", iops=300).iops is None


def test_an_ephemeral_disk_is_converted(files: Files) -> None:
    disk = files.load_disk(ephemeral_name="ephemeral0", delete_on_termination=False)
    assert (disk.ephemeral, disk.delete_on_termination) == ("ephemeral0", False)


def test_windows_is_priced_as_windows(files: Files) -> None:
    assert files.load_type(distro="win2008").product == "Windows"


def test_user_data_stands_beside_the_type(files: Files) -> None:
    template = files.type.with_name("bld.user-data")
    template.write_text("#cloud-config\nfqdn: {fqdn}\n")
    assert files.load_type().user_data == template


def test_a_type_may_have_no_user_data(files: Files) -> None:
    assert files.load_type().user_data is None


def test_a_type_that_is_no_file_name_is_not_looked_for(files: Files) -> None:
    files.write(files.cfg, {"buildermap": {"^Linux": "../bld", "^Mac": ""}})
    assert files.section().instance_types == {}


# Secrets


def test_secrets_that_others_can_read_are_refused(files: Files) -> None:
    files.secrets.chmod(0o644)
    assert files.error().endswith(f"others can read it; chmod 600 {files.secrets}")


def test_the_database_is_required(files: Files) -> None:
    files.write(files.secrets, {"deploy_password": "hunter2"})
    assert files.error() == f"{files.secrets}:1: db: is required, but missing"


def test_a_bad_database_url_is_not_quoted(files: Files) -> None:
    files.write(files.secrets, {"db": "mysql//u:hunter2@host/db"})
    assert "hunter2" not in files.error()


def test_the_graphite_host_of_the_cfg_joins_those_of_the_secrets(files: Files) -> None:
    files.write(files.cfg, {"buildermap": {"^Linux": "bld"}, "graphite_host": "b"})
    hosts_of_secrets = [{"host": "a", "prefix": "p"}]
    files.write(files.secrets, {"db": "sqlite://", "graphite_hosts": hosts_of_secrets})
    hosts = files.load().section(Originals).graphite_hosts
    assert hosts == (GraphiteHost(host="a", prefix="p"), GraphiteHost(host="b"))


def test_the_other_secrets_are_hidden_in_repr(files: Files) -> None:
    secret = {"deploy_password": "hunter2", "aws_secret_access_key": "hunter2"}
    files.write(files.secrets, {"db": "mysql://u:hunter2@host/db", **secret})
    assert "hunter2" not in repr(files.load())


def test_the_other_secrets_are_read(files: Files) -> None:
    files.write(files.secrets, {"db": "sqlite://", "deploy_password": "hunter2"})
    password = files.load().section(Originals).deploy_password
    assert getattr(password, "get_secret_value", str)() == "hunter2"
