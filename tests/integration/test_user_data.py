"""The user data that we ship, run by a real shell: each machine of a launch takes its own name."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.machine_image import relocate, write_script
from tests.machine_metadata import ADDRESS, TOKEN, TTL, MetadataServer, running_metadata
from watch_pending.userdata import is_index_aware, make_fields, read_template, render_user_data

pytestmark = pytest.mark.integration
SHIPPED = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.j2"))
NAMES = ("bld-001", "bld-002", "bld-003")


@pytest.fixture(scope="module")
def metadata() -> Iterator[MetadataServer]:
    with running_metadata() as server:
        for index in range(len(NAMES) + 1):
            server.said[f"i-{index}"] = {"ami-launch-index": str(index)}
        yield server


def render(path: Path) -> str:
    fields = make_fields(
        moz_instance_type="bld",
        hostname=NAMES[0],
        domain="example.com",
        region="us-east-1",
        market="spot",
        farm="test",
        launch_id="4f",
        puppet_cert=None,
        names=NAMES,
    )
    return render_user_data(read_template(path), fields)


def read_script(text: str) -> str:
    """Return what a shell runs: the text, or the script that cloud-init writes and runs."""
    if not text.startswith("#cloud-config"):
        return text
    settings = yaml.safe_load(text)
    [file] = settings["write_files"]
    assert f"{file['path']} && systemctl" in settings["runcmd"][-1]
    return str(file["content"])


def boot(path: Path, root: Path, metadata_url: str) -> int:
    """Run a machine's user data below `root`, and return the exit code."""
    for folder in ("bin", "etc", "var/lib/cloud/data"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/cloud/data/instance-id").write_text("i-0abc\n")
    for command in ("shutdown", "hostnamectl", "systemctl"):
        write_script(root / "bin" / command, f'#!/bin/sh\necho "{command} $*" >>{root}/done\n')
    script = root / "user-data"
    write_script(script, relocate(read_script(render(path)), root).replace(ADDRESS, metadata_url))
    environ = {"PATH": f"{root}/bin:/usr/bin:/bin"}
    return subprocess.run([script], env=environ, capture_output=True, check=False).returncode


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_machines_of_one_launch_take_one_name_each(
    path: Path, tmp_path: Path, metadata: MetadataServer
) -> None:
    assert is_index_aware(read_template(path))
    for index, name in enumerate(NAMES):
        root = tmp_path / name
        assert boot(path, root, metadata.url_of(f"i-{index}")) == 0
        env = (root / "etc/farmhand/machine.env").read_text().split()
        assert env == [
            f"FARMHAND_HOST={name}",
            "FARMHAND_FARM=test",
            "FARMHAND_INSTANCE_TYPE=bld",
            "FARMHAND_LAUNCH=4f",
            "FARMHAND_INSTANCE_ID=i-0abc",
        ]
        hosts = (root / "etc/hosts").read_text()
        assert hosts == f"127.0.0.1 {name}.example.com {name} localhost\n"
        assert f"hostnamectl set-hostname {name}.example.com" in (root / "done").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_machine_without_a_name_starts_no_runner(
    path: Path, tmp_path: Path, metadata: MetadataServer
) -> None:
    assert boot(path, tmp_path, metadata.url_of(f"i-{len(NAMES)}")) != 0
    assert not (tmp_path / "etc/farmhand").exists()


def test_the_metadata_of_machines_here_is_version_2(metadata: MetadataServer) -> None:
    base = f"{metadata.url_of('i-1')}/latest"
    index = f"{base}/meta-data/ami-launch-index"
    assert requests.get(index, timeout=5).status_code == 401
    assert requests.put(f"{base}/api/token", timeout=5).status_code == 400
    token = requests.put(f"{base}/api/token", headers={TTL: "60"}, timeout=5).text
    assert requests.get(index, headers={TOKEN: token}, timeout=5).text == "1"
    other = f"{metadata.url_of('i-2')}/latest/meta-data/ami-launch-index"
    assert requests.get(other, headers={TOKEN: token}, timeout=5).status_code == 401
