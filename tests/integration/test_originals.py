"""The seed's own command line, with the original's own files, as it stands."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from farmhand.tables.records import schema_info
from tests.builders import WEST
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import read, runs
from tests.old_farm import OldFarm

pytestmark = pytest.mark.integration
L10N = "Firefox try linux64 l10n"
SPOT = "bld-linux64-spot-001"


@pytest.fixture
def old(farm: Farm) -> OldFarm:
    return OldFarm.make(farm)


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Take what is sent to a TCP port: the port, and the lines once the sender is done."""
    lines: list[str] = []

    def take() -> None:
        while lines[-1:] != ["end"]:
            connection, _ = server.accept()
            with connection, connection.makefile() as file:
                lines.extend(file.read().splitlines())
        lines.pop()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield server.getsockname()[1], lines
        finally:
            with socket.create_connection(server.getsockname()) as last:
                last.sendall(b"end\n")
            thread.join()


def test_the_seeds_command_line_launches_spot_and_on_demand(old: OldFarm) -> None:
    old.farm.add_pending(BUILD, 2)
    old.farm.add_pending(TRY)
    done = old.run_from_cron()
    assert (done.code, done.out, done.err) == (0, "", "")
    assert {item["name"]: item["lifecycle"] for item in old.farm.ec2.instances()} == {
        "bld-linux64-spot-001": "spot",
        "bld-linux64-spot-002": "spot",
        "try-linux64-ec2-001": "on-demand",
    }
    assert "launched bld-linux64-spot-001 spot c7i.xlarge" in old.log


def test_it_rolls_an_ami_out(old: OldFarm) -> None:
    farm = old.farm
    tags = {"moz-type": "bld-linux64", "moz-created": "4000000000"}
    latest = {farm.ec2.add_image(region, "newest", tags=tags) for region in REGIONS}
    farm.add_pending(BUILD, 2)
    assert old.run("--latest-ami-percentage", "0").code == 0
    assert not latest & {item["ami"] for item in farm.ec2.instances()}
    farm.add_pending(BUILD, 2)
    assert old.run().code == 0
    assert latest & {item["ami"] for item in farm.ec2.instances()}


def test_a_second_run_of_it_starts_nothing(old: OldFarm) -> None:
    old.farm.add_pending()
    old.run()
    assert old.run().code == 0
    assert old.farm.names() == [SPOT]


def test_the_types_own_files_make_the_request(old: OldFarm) -> None:
    old.farm.add_pending()
    old.run()
    [call] = old.farm.ec2.calls("RunInstances")
    atom = {"us-east-1": "use1", "us-west-2": "usw2"}[call.region]
    name = f"{SPOT}.build.{call.region}.example.com"
    assert call.user_data == f"#!/bin/sh\necho {name} {atom} bld-linux64\n"
    assert call.tags("instance")["FQDN"] == name
    assert call.params["BlockDeviceMapping.1.Ebs.VolumeSize"] == "20"


@pytest.mark.parametrize(
    ("environ", "farm_name"), [({}, "default"), ({"FARMHAND_FARM": "prod"}, "prod")]
)
def test_the_farm_is_called(old: OldFarm, environ: dict[str, str], farm_name: str) -> None:
    old.environ = environ
    old.farm.add_pending()
    old.run()
    [instance] = old.farm.ec2.instances()
    assert instance["tags"]["farmhand:farm"] == farm_name
    assert read(old.farm.database, schema_info)[0]["farm"] == farm_name


@pytest.mark.fault(
    "a builder is mapped to a type without settings",
    "the run's record says which; the other types launch; exit 0",
)
def test_a_mapped_type_without_its_file_is_reported_and_the_others_go_on(old: OldFarm) -> None:
    old.farm.add_pending(L10N, 3, priority=9)
    old.farm.add_pending()
    assert old.run().code == 0
    [row] = read(old.farm.database, runs)
    assert "instance_types: instance type try-linxu64 has no settings" in row["summary"]["why_not"]
    assert old.farm.names() == [SPOT]


def test_nothing_of_a_farmhand_yml_beside_it_is_merged(old: OldFarm) -> None:
    old.write()
    elsewhere = old.farm.directory / "elsewhere.db"
    more = {"farm": "other", "database": f"sqlite:///{elsewhere}", "watch_pending": {"no": "sense"}}
    (old.directory / "farmhand.yml").write_text(yaml.safe_dump(more))
    old.farm.add_pending()
    assert old.run().code == 0
    assert not elsewhere.exists()
    assert read(old.farm.database, schema_info)[0]["farm"] == "default"


def test_only_the_regions_of_r_are_launched_in(old: OldFarm) -> None:
    old.cfg["spot"]["limits"]["us-east-1"] = {"bld-linux64": 0}
    old.cfg["region_priorities"]["eu-west-1"] = 9
    old.farm.add_pending(BUILD, 3)
    old.run()
    assert {item["region"] for item in old.farm.ec2.instances()} == {"us-west-2"}


@pytest.mark.fault("others can read aws-secrets.json", "exit 2, a line that names the file")
def test_secrets_that_others_can_read_are_refused(old: OldFarm) -> None:
    old.secrets_mode = 0o644
    done = old.run()
    assert (done.code, "aws-secrets.json" in done.err) == (2, True)


def test_a_metric_reaches_every_graphite_host(old: OldFarm) -> None:
    old.farm.add_pending(BUILD, 2)
    with listening() as (port, lines), listening() as (other_port, other_lines):
        host = {"host": "127.0.0.1", "port": port, "prefix": "releng"}
        old.secrets["graphite_hosts"] = [host]
        old.cfg |= {"graphite_host": "127.0.0.1", "graphite_port": other_port}
        assert old.run().code == 0
    numbers = {line.split()[0]: float(line.split()[1]) for line in lines}
    prefix = "releng.releng.aws.aws_watch_pending"
    assert numbers[f"{prefix}.farmhand_watch_pending_pending"] == 2
    assert numbers[f"{prefix}.farmhand_watch_pending_launched.instance_type.bld-linux64"] == 2
    assert "farmhand_watch_pending_pending 2.0" in {line.rpartition(" ")[0] for line in other_lines}


def test_a_number_that_the_original_had_keeps_its_name(old: OldFarm) -> None:
    old.farm.add_pending(BUILD, 2)
    old.farm.add_pending("Something else")
    with listening() as (port, lines):
        old.secrets["graphite_hosts"] = [{"host": "127.0.0.1", "port": port, "prefix": "prod"}]
        assert (old.run().code, old.run().code) == (0, 0)
    path = "prod.releng.aws.aws_watch_pending"
    originals = {line.rpartition(" ")[0] for line in lines if "farmhand" not in line}
    kind = f"{WEST}.bld-linux64.c7i-xlarge.spot.hvm.ebs"
    assert originals == {
        f"{path}.pending 3.0",
        f"{path}.aws_pending 2.0",
        f"{path}.started.{kind} 2.0",
        f"{path}.running.{kind} 2.0",
    }


@pytest.mark.fault("Graphite is away", "a warning with its address; the run goes on; exit 0")
def test_a_graphite_that_is_away_costs_a_warning(old: OldFarm) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    old.secrets["graphite_hosts"] = [{"host": "127.0.0.1", "port": port}]
    old.farm.add_pending()
    done = old.run()
    assert (done.code, "graphite 127.0.0.1" in done.err) == (0, True)
    assert old.farm.names() == [SPOT]


def test_syslog_gets_the_log_where_the_secrets_say(old: OldFarm) -> None:
    old.farm.add_pending()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        old.secrets["syslog_address"] = f"127.0.0.1:{server.getsockname()[1]}"
        assert old.run().code == 0
        while b"launched bld-linux64-spot-001" not in server.recv(65536):
            pass


@pytest.mark.fault(
    "the secrets name a syslog that is not there", "a warning; the run goes on; exit 0"
)
def test_a_syslog_that_is_not_there_costs_a_warning(old: OldFarm) -> None:
    old.secrets["syslog_address"] = "/no/such/socket"
    old.farm.add_pending()
    done = old.run()
    assert (done.code, "/no/such/socket" in done.err) == (0, True)
    assert old.farm.names() == [SPOT]
