"""The original's own files, read as they are."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmhand.config import GraphiteHost, Settings
from farmhand.errors import BadInput
from watch_pending.config import WatchPending
from watch_pending.config_machines import Disk, InstanceType, Place, SpotRule
from watch_pending.json_tree import read_json
from watch_pending.originals import Originals, load_originals

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

    def load(self, **environ: str) -> Settings:
        return load_originals(self.cfg, self.secrets, REGIONS, environ)

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
    secrets = shutil.copyfile(EXAMPLES / "aws-secrets.json.example", tmp_path / "secrets.json")
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
    assert example.section(WatchPending).spot.rules["bld-linux64"][1] == SpotRule(
        ec2_type="m3.xlarge",
        max_price_usd_per_hour=0.18,
        performance_constant=1.1,
        ignored_azs=("us-east-1b", "us-east-1e"),
    )


@pytest.mark.parametrize(
    ("cfg", "priorities"),
    [
        ({}, {}),
        ({"region_priorities": {"us-west-2": 6}}, {"us-west-2": 6}),
        ({"region_priorities": {"eu-west-1": 0}}, {"eu-west-1": 0}),
        ({"spot": {"limits": {"global": {"bld": 1}}}}, {}),
        ({"spot": {"limits": {"us-west-1": {"bld": 1}}}}, {"us-west-1": 1}),
    ],
)
def test_every_region_has_a_priority(files: Files, cfg: dict[str, Any], priorities: Any) -> None:
    files.write(files.cfg, {"buildermap": {"^Linux": "bld"}, **cfg})
    assert files.section().region_priorities == {"us-east-1": 1, "us-west-2": 1, **priorities}


def test_unknown_keys_and_prose_are_ignored(files: Files) -> None:
    files.write(files.cfg, {"comment": "x", "buildermap": {"^Linux": "bld"}, "other": {"a": 1}})
    assert files.load().farm == "default"


def test_the_farm_comes_from_the_environment(files: Files) -> None:
    assert files.load(FARMHAND_FARM="prod").farm == "prod"


@pytest.mark.fault(
    "a file of the original's is wrong{error}", "exit 2, one line with file and line"
)
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ": the file is empty"),
        ("[]", ":1: expected an object, {…}, at the top"),
        ("{\n'a': 1}", ":2: not valid JSON: Expecting property name"),
        ('{"a":\n"b\tc"}', ":2: not valid JSON: a tab inside a string"),
        ('{"a": 1,\n "a": 2}', ":2: a: this key already stands in line 1"),
        ('{"a": {\n"^a": "",\n\n"^a": ""}}', ':4: a["^a"]: this key already stands in line 2'),
        ("{}", ":1: buildermap: is required, but missing"),
        ('{"buildermap": {}}', ":1: buildermap: expected at least 1 item(s)"),
        ('{"buildermap": {\n"a(": "x"}}', ':2: buildermap["a("]: the pattern does not compile'),
        (
            '{"spot": {"rules": {"x": [\n{"bid_price": 0}]}}}',
            ":2: spot.rules.x[0].bid_price: expected more than 0",
        ),
        pytest.param("[" * 100_000, ": nested too deeply", id="deep"),
        pytest.param('{"a": 1' + "0" * 5000 + "}", ": nested too deeply, or a number", id="long"),
    ],
)
def test_a_mistake_names_its_line(files: Files, text: str, error: str) -> None:
    files.cfg.write_text(text)
    assert f"{files.cfg}{error}" in files.error()


def test_tabs_between_values_are_json(files: Files) -> None:
    files.cfg.write_text('{\t"buildermap":\t{\n\t\t"^Linux": "bld"\n\t}\n}')
    assert files.section().buildermap == {"^Linux": "bld"}


def test_a_key_may_stand_once_in_each_object(files: Files) -> None:
    files.cfg.write_text('{"buildermap": {"a": "bld"}, "x": [{"a": "a"}, {"a": {"a": 1}}], "a": 1}')
    assert files.section().buildermap == {"a": "bld"}


def all_paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inside = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(inside, dict):
        return {path}
    return {path}.union(*(all_paths(each, (*path, key)) for key, each in inside.items()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("json")


@given(data=st.dictionaries(st.text(), VALUES), indent=st.none() | st.integers(0, 4))
def test_every_path_of_a_json_file_has_its_place(
    folder: Path, data: dict[str, object], indent: int | None
) -> None:
    path = folder / "f.json"
    path.write_text(json.dumps(data, indent=indent))
    assert set(read_json(path).places) == all_paths(data)


# <type> and <type>.user-data


@pytest.mark.parametrize(
    ("hostname", "names"),
    [
        ({"hostname": "bld-ec2-%03d"}, {"on-demand": "bld-ec2-%03d", "spot": "bld-spot-%03d"}),
        ({"hostname": "bld-%03d"}, "bld-%03d"),
        ({}, "workers"),
    ],
)
def test_a_hostname_gives_the_names(files: Files, hostname: dict[str, str], names: object) -> None:
    files.write(files.type, {**hostname, "us-east-1": REGION})
    assert files.section().instance_types["bld"].names == names


def test_a_hostname_without_a_number_is_an_error(files: Files) -> None:
    files.write(files.type, {"hostname": "bld-ec2", "us-east-1": REGION})
    assert files.error().startswith(f"{files.type}:2: hostname: a name pattern needs one %d")


def test_a_mistake_in_a_region_names_its_line_and_the_originals_key(files: Files) -> None:
    files.write(files.type, {"hostname": "bld-ec2-%03d", "us-east-1": {"subnet_ids": []}})
    assert files.error() == f'{files.type}:4: ["us-east-1"].subnet_ids: expected at least 1 item(s)'


@pytest.mark.parametrize(
    ("region", "ours", "value"),
    [
        ({"domain": "build.example.com"}, "domain", "build.example.com"),
        ({"ssh_key": "aws-releng"}, "ssh_key", "aws-releng"),
        ({"instance_type": "c3.xlarge"}, "ec2_type", "c3.xlarge"),
        ({"instance_profile_name": "bld"}, "instance_profile", "bld"),
        ({"use_public_ip": True}, "public_address", True),
        ({"tags": {"moz-type": "bld"}}, "tags", {"moz-type": "bld"}),
        pytest.param({}, "subnets", ("subnet-1", "subnet-2"), id="a subnet twice counts once"),
        pytest.param({}, "public_address", False, id="public only when asked"),
        pytest.param({"ami": "ami-1"}, "ami", None, id="the base AMI is not the first choice"),
        pytest.param({"ami": "ami-1"}, "ami_if_untagged", "ami-1", id="but it is the last"),
    ],
)
def test_a_region_is_converted(files: Files, region: dict[str, Any], ours: str, value: Any) -> None:
    assert getattr(files.load_region(**region), ours) == value


def test_an_ami_may_be_a_parameter(files: Files) -> None:
    assert files.load_region(ami="resolve:ssm:/bld").ami_if_untagged == "resolve:ssm:/bld"
    files.write(files.type, {"us-east-1": {"ami": "resolve:ssm:", **REGION}})
    assert files.error().startswith(f'{files.type}:3: ["us-east-1"].ami: expected resolve:ssm:NAME')


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
    of_secrets = GraphiteHost(host="a", prefix="p.releng.aws.aws_watch_pending")
    assert files.load().graphite == (of_secrets, GraphiteHost(host="b"))


def test_the_other_secrets_are_hidden_in_repr(files: Files) -> None:
    secrets = dict.fromkeys(("deploy_password", "aws_secret_access_key"), "hunter2")
    files.write(files.secrets, {"db": "mysql://u:hunter2@host/db", **secrets})
    assert "hunter2" not in repr(files.load())


def test_the_other_secrets_are_read(files: Files) -> None:
    files.write(files.secrets, {"db": "sqlite://", "deploy_password": "hunter2"})
    password = files.load().section(Originals).deploy_password
    assert getattr(password, "get_secret_value", str)() == "hunter2"


@pytest.mark.parametrize("name", ["two words", "x" * 64, "a/b", "new\nline", "end\n"])
def test_a_farm_that_the_environment_names_follows_the_rule_of_the_file(
    files: Files, name: str
) -> None:
    with pytest.raises(BadInput, match=r"^\$FARMHAND_FARM: expected text that matches"):
        files.load(FARMHAND_FARM=name)
