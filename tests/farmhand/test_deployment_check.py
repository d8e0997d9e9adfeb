"""`farmhand config check` of crontabs, units and the rest, on a small host in a directory."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest

from farmhand.deployment.check import check_files, find_deployed
from farmhand.deployment.started import may_write
from tests.manual import ROOT

ME = pwd.getpwuid(os.getuid()).pw_name
RUN = (
    "watch-pending run -q -k HOST/secrets.yml -l HOST/log/run.log "
    "--metrics-textfile HOST/prom/x.prom"
)
UNIT = f"""[Service]
User={ME}
Environment=FARMHAND_CONFIG=HOST/farmhand.yml FARMHAND_STATE=HOST/state
ExecStart=HOST/bin/watch-pending %i -q -k HOST/secrets.yml \\
    -l HOST/log/%i.log
ProtectSystem=strict
ReadWritePaths=-HOST/log HOST/state
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory that has what a manager host has."""
    for name in ("bin", "log", "prom", "state", "etc/cron.d", "etc/systemd/system"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("watch-pending", "scanner", "slavealloc"):
        (tmp_path / "bin" / name).write_text("")
        (tmp_path / "bin" / name).chmod(0o755)
    text = (ROOT / "configs/farmhand.yml").read_text("utf-8")
    (tmp_path / "farmhand.yml").write_text(text.replace(scheduler_line(text), ""))
    for path in (ROOT / "configs").glob("*.user-data.j2"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"))
    secrets = tmp_path / "secrets.yml"
    secrets.write_text("watch_pending:\n  scheduler_db: mysql://reader:x@db.example.com/buildbot\n")
    secrets.chmod(0o600)
    return tmp_path


def scheduler_line(text: str) -> str:
    return next(line for line in text.splitlines(True) if "scheduler_db:" in line)


def write_crontab(host: Path, job: str = RUN, times: str = "* * * * *", user: str = ME) -> Path:
    path = host / "etc/cron.d/farmhand"
    head = "PATH=HOST/bin\nFARMHAND_CONFIG=HOST/farmhand.yml\nFARMHAND_STATE=HOST/state\n"
    text = f"# ours\n{head}{times} {user} {job}\n"
    path.write_text(text.replace("HOST", str(host)))
    path.chmod(0o644)
    return path


def write_unit(host: Path, text: str = UNIT, name: str = "watch-pending@.service") -> Path:
    path = host / "etc/systemd/system" / name
    path.write_text(text.replace("HOST", str(host)))
    return path


def messages(*paths: Path) -> list[str]:
    return [f"{each.where}: {each.message}" for each in check_files(paths, {})]


def test_a_host_that_is_well_has_no_findings(host: Path) -> None:
    write_unit(host, "[Timer]\nUnit=watch-pending@run.service\n", "watch-pending-run.timer")
    assert messages(write_crontab(host), write_unit(host)) == []


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (RUN.replace("-q", "--quite"), "watch-pending: No such option '--quite'"),
        (RUN.replace(" run", " stopidle"), "Got unexpected extra argument (stopidle)"),
        (RUN.replace("watch-pending", "nowhere/watch-pending"), "is no program"),
        (RUN.replace("HOST/log/", "HOST/logs/"), "there is no HOST/logs; user ME must be able"),
        (RUN.replace("HOST/prom/", "HOST/no/"), "there is no HOST/no; user ME must be able"),
        (RUN.replace("HOST/secrets", "HOST/secret"), "HOST/secret.yml is not there"),
        (RUN.replace("-k HOST/secrets.yml", ""), "watch_pending.scheduler_db: is required"),
        (f"FARMHAND_STATE=HOST/none {RUN}", "there is no HOST/none; user ME must be able"),
        (f"FARMHAND_CONFIG=HOST/f.yml {RUN}", "HOST/f.yml is not there"),
        (f". HOST/x.env && {RUN}", "HOST/x.env: no such file"),
        (f"{RUN} && date +%F", "a % ends the command for cron"),
        ("slavealloc dbdump -k HOST/secrets.yml HOST/no/x.jsonl", "there is no HOST/no; user ME"),
    ],
)
def test_what_a_crontab_starts_is_looked_at(host: Path, job: str, said: str) -> None:
    path = write_crontab(host, job)
    (message,) = messages(path)
    assert f"{path}:5" in message
    assert said.replace("HOST", str(host)).replace("ME", ME) in message


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("60 * * * *", "minute: 60 is not within 0 to 59"),
        ("* * * * 8", "day of the week: 8 is not within 0 to 7"),
        ("*/0 * * * *", "minute: */0 is no time"),
        ("@often", "@often is no time that cron knows"),
        ("* * * *", "is no time; expected five times, a user and a command"),
    ],
)
def test_a_wrong_time_is_told_with_its_line(host: Path, times: str, said: str) -> None:
    path = write_crontab(host, times=times)
    (message,) = messages(path)
    assert message.startswith(f"{path}:5: ")
    assert said in message


@pytest.mark.parametrize("times", ["*/5 0-6,22 * jan,3 mon-fri", "@daily", "7 4 1 */2 0"])
def test_times_that_cron_takes_are_right(host: Path, times: str) -> None:
    assert messages(write_crontab(host, times=times)) == []


def test_a_user_that_is_not_there_is_told(host: Path) -> None:
    assert any(
        "there is no user nobody-here" in m
        for m in messages(write_crontab(host, user="nobody-here"))
    )


def test_a_secrets_file_that_others_can_read_is_told(host: Path) -> None:
    (host / "secrets.yml").chmod(0o644)
    (message,) = messages(write_crontab(host))
    assert "holds secrets and others can read it" in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user that may less")
def test_it_is_the_job_s_user_who_must_be_able_to(host: Path) -> None:
    said = messages(write_crontab(host, user="nobody"))
    assert [message.partition(": ")[2] for message in said] == [
        f"user nobody can't write into {host}/log, for the log",
        f"user nobody can't write into {host}/prom, for the metrics textfile",
        f"user nobody can't write into {host}/state, for the state",
        f"user nobody can't read {host}/secrets.yml",
    ]
    (host / "log").chmod(0o777)
    assert may_write(host / "log", "nobody")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda path: path.rename(path.with_name("farm.hand")),
            "cron passes over files with a dot",
        ),
        (lambda path: path.chmod(0o664), "others than its owner can write it"),
        (lambda path: path.write_text(path.read_text().rstrip()), "no newline at its end"),
        (lambda path: path.write_text("hello\n"), "expected five times, a user and a command"),
        (lambda path: path.write_text(""), "nothing farmhand knows"),
    ],
    ids=["dot", "mode", "newline", "words", "empty"],
)
def test_a_crontab_that_cron_would_not_take_is_told(
    host: Path, change: Callable[[Path], object], said: str
) -> None:
    write_crontab(host)
    change(host / "etc/cron.d/farmhand")
    (path,) = (host / "etc/cron.d").iterdir()
    assert any(said in message for message in messages(path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-q", "--quite", "No such option '--quite'"),
        ("HOST/bin/", "HOST/sbin/", "HOST/sbin/watch-pending is no program"),
        (
            "ReadWritePaths=-HOST/log",
            "ReadWritePaths=",
            "ProtectSystem=strict, and HOST/log is not",
        ),
        (f"User={ME}", "User=nobody-here", "there is no user nobody-here"),
        ("Environment=", "EnvironmentFile=HOST/x.env\nEnvironment=", "HOST/x.env is not there"),
    ],
)
def test_what_a_unit_starts_is_looked_at(host: Path, old: str, new: str, said: str) -> None:
    write_unit(host, "[Timer]\nUnit=watch-pending@run.service\n", "watch-pending-run.timer")
    path = write_unit(host, UNIT.replace(old, new))
    (message,) = messages(path)
    assert message.startswith(f"{path}:")
    assert said.replace("HOST", str(host)) in message


def test_a_drop_in_is_read_with_its_instance(host: Path) -> None:
    path = write_unit(host)
    (path.parent / "watch-pending@sanity.service.d").mkdir()
    drop_in = path.parent / "watch-pending@sanity.service.d/verb.conf"
    drop_in.write_text(
        f"[Service]\nExecStart=\nExecStart=/no/watch-pending sanity -k {host}/secrets.yml\n"
    )
    assert messages(path) == [f"{drop_in}:3: /no/watch-pending is no program"]


def test_instances_are_found_by_their_files_of_variables(host: Path) -> None:
    text = f"[Service]\nEnvironmentFile=HOST/slavealloc-%i.env\nUser={ME}\n"
    path = write_unit(
        host, text + "ExecStart=HOST/bin/slavealloc serve --port ${PORT}\n", "slavealloc@.service"
    )
    (warning,) = check_files([path], {})
    assert (warning.severe, "no instance" in warning.message) == (False, True)
    (host / "slavealloc-prod.env").write_text("PORT=x\n")
    (message,) = messages(path)
    assert "Invalid value for '--port': 'x'" in message


def test_a_timer_without_its_service_is_told(host: Path) -> None:
    path = write_unit(host, "[Timer]\nUnit=watch-pending@run.service\n", "x.timer")
    assert messages(path) == [f"{path}:2: there is no watch-pending@run.service beside it"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.env", "PORT=1\nA B=2\n", "x.env:2: expected NAME=VALUE"),
        ("x.env", "URL=mysql://me:secret@db/x\n", "holds secrets and others can read it"),
        ("x.yml", "farm: prod\nzebra: 1\n", 'x.yml:2: zebra: unknown key "zebra"'),
        ("x.csv", "name,pool\nbld-1\n", "x.csv:2: has 1 fields, the header has 2"),
        ("x.csv", "nickname,fqdn,pb_port,pool\nm1,a.example.com,x,p\n", "x.csv:2: pb_port: "),
        ("x.tac.j2", "passwd = {{ word }}\n", "x.tac.j2:1: "),
        ("x.user-data.j2", "{{ hostnam }}\n", "'hostnam' is undefined"),
        ("x.user-data", "{hostnam}\n", "unknown field {hostnam}"),
        ("runner.cfg", "[runner\n", "runner.cfg"),
    ],
)
def test_other_files_are_read_as_what_they_are(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    (message,) = messages(tmp_path / name)
    assert said in message


def test_a_task_directory_needs_a_task(tmp_path: Path) -> None:
    assert ["no file in it is a task" in each for each in messages(tmp_path)] == [True]


@pytest.mark.parametrize(
    "pattern", ["*.csv", "*.user-data.j2", "runner.cfg", "tasks.d", "originals/*.user-data"]
)
def test_the_shipped_examples_are_right(pattern: str) -> None:
    paths = sorted((ROOT / "configs").glob(pattern))
    assert paths
    assert messages(*paths) == []


def test_what_starts_ours_is_found_on_a_host_and_nothing_else(host: Path) -> None:
    (host / "etc/cron.d/other").write_text("* * * * * root run-parts /etc/cron.hourly\n")
    write_unit(host, "[Service]\nExecStart=/usr/bin/pipeline-runner x\n", "other.service")
    ours = [write_crontab(host), write_unit(host)]
    assert find_deployed(host) == ours
