"""cron/puppet really makes a manager host, below a directory that stands for its `/`."""

import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from farmhand.deployment.check import check_files
from tests.integration.test_puppet import CHANGED, MODULE, call, fake_python, needs, to_puppet
from tests.machine_image import write_script
from tests.shell import Programs
from tests.units import CRON

pytestmark = [pytest.mark.integration, needs("puppet")]
ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name
SECRET = "mysql://reader:hunter2@db.example.com/buildbot"
TEMPLATE = "#!/bin/sh\necho {{ hostname }}\n"
WATCH = {
    "buildermap": {"^Linux": "bld"},
    "region_priorities": {"us-east-1": 1},
    "instance_types": {
        "bld": {
            "names": "bld-%03d",
            "user_data": "bld.user-data.j2",
            "regions": {"us-east-1": {"subnets": ["subnet-1"]}},
        }
    },
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A directory that stands for a host's `/`, and our programs to be installed on it."""
    programs = Programs(folder=tmp_path)
    programs.write(tmp_path / "programs")
    with programs.serving():
        yield tmp_path


def apply(root: Path, **changes: object) -> tuple[int, str]:
    """Apply the class, with all that it writes below `root` → exit code, what it says."""
    for name in ("etc/cron.d", "etc/systemd/system", "etc/nginx/conf.d", "etc/logrotate.d",
                 "etc/prometheus", "var/lib", "var/log", "var/backups", "opt"):  # fmt: skip
        (root / name).mkdir(parents=True, exist_ok=True)
    given = {
        "farm": "prod",
        "settings": {"watch_pending": WATCH},
        "templates": {"bld.user-data.j2": TEMPLATE},
        "mailto": "jane@example.org",
        "user": ME,
        "slavealloc_user": ME,
        "group": MY_GROUP,
        "manage_users": False,
        "manage_services": False,
        "python": fake_manager(root),
        "venv": f"{root}/opt/farmhand",
        "config_dir": f"{root}/etc/farmhand",
        "root": str(root),
        **changes,
    }
    text = ", ".join(f"{name} => {to_puppet(value)}" for name, value in given.items())
    secrets = f"Sensitive({to_puppet({'watch_pending': {'scheduler_db': SECRET}})})"
    database = "Sensitive('mysql://slavealloc:hunter3@db.example.com/farmhand')"
    directories = [f"--{name}={root}/puppet" for name in ("confdir", "vardir")]
    # To find out about this host would take as long as all the rest.
    done = call(
        "puppet", "apply", *directories, "--facts_terminus=memory",
        f"--modulepath={MODULE.parent}", "--detailed-exitcodes", "-e",
        f"class {{ 'farmhand::manager': secrets => {secrets}, "
        f"slavealloc_database => {database}, {text} }}",
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def fake_manager(root: Path) -> str:
    """Write a Python whose venv has our programs, as pip would have put them there."""
    python = Path(fake_python(root))
    made = f"{root}/opt/farmhand-0.1.0"
    text = python.read_text().replace(f"{root}/opt/farmhand/bin", f"{made}/bin")
    write_script(python, f"{text}cp {root}/programs/* {made}/bin\n")
    return str(python)


def test_applied_it_makes_a_host_on_which_all_is_well(host: Path) -> None:
    code, said = apply(host, scanner=True, nginx=True, logrotate=True,
                       rules_dir=f"{host}/etc/prometheus")  # fmt: skip
    assert code == CHANGED, said
    assert "hunter" not in said
    etc = host / "etc"
    assert (host / "opt/farmhand").resolve() == host / "opt/farmhand-0.1.0"
    modes = {name: (etc / "farmhand" / name).stat().st_mode & 0o777 for name in
             ("secrets.yml", "slavealloc-production.env", "farmhand.yml")}  # fmt: skip
    assert list(modes.values()) == [0o600, 0o600, 0o644]
    crontabs = [etc / "cron.d/farmhand", etc / "cron.d/slavealloc"]
    units = [etc / "systemd/system/slavealloc@.service"]
    files = [*crontabs, *units, etc / "farmhand/farmhand.yml", etc / "farmhand/slavealloc.yml"]
    found = [f"{each.where}: {each.message}" for each in check_files(files, {}) if each.severe]
    # The state directory of this one is systemd's; the other file is whole with secrets.yml only.
    assert [line for line in found if "scheduler_db" not in line] == [
        f"{units[0]}:{line_of(units[0], 'ExecStart')}: ProtectSystem=strict, and "
        f"{host}/var/log/slavealloc is not in ReadWritePaths, for the log"
    ]
    assert "MAILTO=jane@example.org" in crontabs[0].read_text()
    same = {"prometheus/farmhand.rules.yml": "prometheus/farmhand.rules.yml"}
    assert all((etc / a).read_text() == (CRON / b).read_text() for a, b in same.items())
    assert f"{host}/var/log/farmhand/*.log" in (etc / "logrotate.d/farmhand").read_text()
    assert "server_name slavealloc " in (etc / "nginx/conf.d/slavealloc.conf").read_text()
    again, said = apply(host, scanner=True, nginx=True, logrotate=True,
                        rules_dir=f"{host}/etc/prometheus")  # fmt: skip
    assert again == 0, said


def line_of(path: Path, key: str) -> int:
    lines = path.read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.startswith(key))


def test_timers_stand_for_the_crontab_and_a_wrong_configuration_starts_nothing(
    host: Path,
) -> None:
    wrong = {**WATCH, "region_prioritys": {}}
    code, said = apply(host, started_by="cron", settings={"watch_pending": wrong})
    assert code not in {0, CHANGED}
    assert 'did you mean "region_priorities"' in said
    assert not (host / "etc/cron.d/farmhand").exists()
    code, said = apply(host, started_by="systemd", scanner=True)
    assert code == CHANGED, said
    units = sorted(path.name for path in (host / "etc/systemd/system").iterdir())
    shipped = {path.name for path in (CRON / "systemd").iterdir()}
    assert set(units) <= shipped
    assert shipped - set(units) == {
        "runner.service",
        "slavealloc-production.env",
        "slavealloc-staging.env",
        "slavealloc@staging.service.d",
    }
    assert not (host / "etc/cron.d/farmhand").exists()
