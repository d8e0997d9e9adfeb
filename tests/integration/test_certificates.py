"""Puppet certificates for new machines, from a real HTTPS server that asks who wants them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.farm import BUILD, TRY, Farm
from tests.getcert_server import PASSWORD, USERNAME, GetcertServer, running_getcert_server
from tests.journal import numbered
from tests.old_farm import OldFarm

pytestmark = pytest.mark.integration
HOST = "bld-linux64-spot-001.build.example.com"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nof 001\n-----END CERTIFICATE-----\n"
PATTERN = "bld-linux64-spot-%03d"


@pytest.fixture
def getcert(tmp_path: Path) -> Iterator[GetcertServer]:
    with running_getcert_server(tmp_path) as server:
        server.certificates[HOST] = CERTIFICATE
        yield server


@pytest.fixture
def old(farm: Farm, getcert: GetcertServer) -> OldFarm:
    """One pending job, whose machine gets a certificate in its user data."""
    old = OldFarm.make(farm)
    old.secrets |= {
        "getcert_server": getcert.address,
        "deploy_username": USERNAME,
        "deploy_password": PASSWORD,
    }
    old.types = {"bld-linux64": old.types["bld-linux64"]}
    for region in ("us-east-1", "us-west-2"):
        old.types["bld-linux64"][region]["domain"] = "build.example.com"
    old.user_data = "cert: {puppet_cert}"
    old.environ["REQUESTS_CA_BUNDLE"] = str(getcert.ca_file)
    farm.add_pending()
    return old


def kept(old: OldFarm) -> list[str]:
    """List every file in the certificates' directory."""
    folder = old.certificates
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def assert_failed(old: OldFarm, reason: str) -> None:
    done = old.run()
    assert done.code == 3
    assert reason in done.err
    assert PASSWORD not in done.err + old.log
    assert (old.farm.names(), kept(old)) == ([], [])


def test_a_certificate_is_fetched_kept_and_given_to_the_template(
    old: OldFarm, getcert: GetcertServer
) -> None:
    assert old.run().code == 0
    path = old.certificates / HOST
    assert path.read_text() == CERTIFICATE
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept(old) == [HOST]
    assert getcert.asked == [f"/deploy/getcert.cgi?{HOST}"]
    [call] = old.farm.ec2.calls("RunInstances")
    assert call.user_data == f"cert: {CERTIFICATE}"


def test_a_certificate_that_is_kept_is_not_fetched_again(
    old: OldFarm, getcert: GetcertServer
) -> None:
    old.certificates.mkdir(parents=True)
    (old.certificates / HOST).write_text("kept")
    assert old.run().code == 0
    assert getcert.asked == []
    [call] = old.farm.ec2.calls("RunInstances")
    assert call.user_data == "cert: kept"


@pytest.mark.fault(
    "the certificate server's CA is not trusted",
    "CERTIFICATE_VERIFY_FAILED; the machine is not launched, the password is not sent or "
    "shown; exit 3",
)
def test_a_server_whose_ca_nobody_trusts_gives_none(old: OldFarm, getcert: GetcertServer) -> None:
    del old.environ["REQUESTS_CA_BUNDLE"]
    assert_failed(old, "CERTIFICATE_VERIFY_FAILED")
    assert getcert.asked == []


@pytest.mark.fault(
    "the certificate server refuses the password",
    "no certificate: HTTP 401; the machine is not launched; exit 3",
)
def test_a_wrong_password_gets_none(old: OldFarm) -> None:
    old.secrets["deploy_password"] = "wrong"
    assert_failed(old, f"no certificate for {HOST}: HTTP 401")


@pytest.mark.fault(
    "the certificate server has none for a host",
    "no certificate: HTTP 404; the machine is not launched; exit 3",
)
def test_a_host_that_has_no_certificate_is_not_launched(
    old: OldFarm, getcert: GetcertServer
) -> None:
    getcert.certificates.clear()
    assert_failed(old, f"no certificate for {HOST}: HTTP 404")


@pytest.mark.fault(
    "the certificate server's answer is empty",
    "it is no certificate: nothing is kept or launched; exit 3",
)
def test_an_empty_answer_is_no_certificate(old: OldFarm, getcert: GetcertServer) -> None:
    getcert.certificates[HOST] = "\n"
    assert_failed(old, f"no certificate for {HOST}")


@pytest.mark.fault("one instance type gets no certificate", "the other types launch; exit 3")
def test_a_host_without_certificate_stops_no_other_instance_type(
    old: OldFarm, getcert: GetcertServer
) -> None:
    getcert.certificates.clear()
    old.types["try-linux64"] = OldFarm.make(old.farm).types["try-linux64"]
    getcert.certificates["try-linux64-ec2-001.build.us-west-2.example.com"] = CERTIFICATE
    old.farm.add_pending(TRY)
    assert old.run().code == 3
    assert old.farm.names() == ["try-linux64-ec2-001"]


@pytest.mark.fault(
    "the certificates' directory can't be made", "exit 3, a line that names it; no traceback"
)
def test_a_directory_that_cannot_be_made_is_said(old: OldFarm) -> None:
    old.write()
    old.certificates.write_text("a file")
    done = old.run()
    assert done.code == 3
    assert str(old.certificates.name) in done.err
    assert "Traceback" not in done.err


def test_without_the_keys_the_option_only_names_the_directory(
    old: OldFarm, getcert: GetcertServer
) -> None:
    del old.secrets["deploy_password"]
    old.user_data = "no field"
    assert old.run().code == 0
    assert old.farm.names() == numbered(1, PATTERN)
    assert (getcert.asked, kept(old)) == ([], [])


def test_a_dry_run_fetches_none(old: OldFarm, getcert: GetcertServer) -> None:
    old.farm.add_pending(BUILD)
    assert old.run("--dry-run").code == 0
    assert (getcert.asked, kept(old)) == ([], [])


@pytest.mark.fault(
    "the certificate server does not answer, and several hosts need one",
    "it is asked once in a run; the others say so; exit 3",
)
def test_a_server_that_does_not_answer_is_asked_once_in_a_run(
    old: OldFarm, getcert: GetcertServer
) -> None:
    del old.environ["REQUESTS_CA_BUNDLE"]
    old.types["try-linux64"] = OldFarm.make(old.farm).types["try-linux64"]
    old.farm.add_pending(TRY)
    done = old.run()
    assert (done.code, done.err.count("CERTIFICATE_VERIFY_FAILED")) == (3, 1)
    assert f"{getcert.address} did not answer before; it is not asked again" in done.err
