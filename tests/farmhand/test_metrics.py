"""The textfile that monitoring reads, and what Graphite is sent."""

import logging
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farmhand.config import GraphiteHost
from farmhand.errors import BadInput
from farmhand.metrics import Sample, push_to_graphite, run_samples, write_textfile

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 3, 9, 5, tzinfo=UTC)
LABELS = 'command="watch-pending",verb="run"'


def samples(exit_code: int, now: datetime = NOW) -> list[Sample]:
    return run_samples(
        command="watch-pending", verb="run", exit_code=exit_code, seconds=1.5, now=now
    )


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_a_run_says_how_and_when_it_ended(tmp_path: Path) -> None:
    write_textfile(tmp_path / "run.prom", samples(0))
    numbers = dict(line.split(f"{{{LABELS}}} ") for line in lines(tmp_path / "run.prom"))
    assert {name: float(number) for name, number in numbers.items()} == {
        "farmhand_run_exit_code": 0,
        "farmhand_run_seconds": 1.5,
        "farmhand_run_timestamp_seconds": NOW.timestamp(),
        "farmhand_last_success_timestamp_seconds": NOW.timestamp(),
    }


@pytest.mark.parametrize("exit_code", [1, 2, 3, 4, 75, 143])
def test_a_run_that_did_not_exit_0_is_no_success(exit_code: int) -> None:
    assert [s for s in samples(exit_code) if "success" in s.name] == []


@pytest.mark.parametrize("exit_code", [1, 4])
def test_a_run_that_failed_keeps_the_time_of_the_last_success(
    tmp_path: Path, exit_code: int
) -> None:
    path = tmp_path / "run.prom"
    write_textfile(path, samples(0))
    [before] = [line for line in lines(path) if "last_success" in line]
    for _ in range(2):
        write_textfile(path, samples(exit_code, LATER))
    assert before in lines(path)
    assert f"farmhand_run_exit_code{{{LABELS}}} {exit_code}.0" in lines(path)


def test_a_success_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "run.prom"
    write_textfile(path, samples(0))
    write_textfile(path, samples(0, LATER))
    assert len([line for line in lines(path) if "last_success" in line]) == 1


@pytest.mark.fault("the metrics textfile that is there can't be read: {id}", "it is written anew")
@pytest.mark.parametrize("text", ["", "no metric {{{", "\udcff"], ids=["empty", "junk", "no utf-8"])
def test_a_textfile_that_cannot_be_read_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.prom"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    write_textfile(path, samples(4))
    assert len(lines(path)) == 3


@pytest.mark.parametrize(
    "value", ["a\nb", 'a "quoted" one', "a\\b", "тест"], ids=["newline", "quotes", "slash", "utf-8"]
)
def test_a_label_may_be(tmp_path: Path, value: str) -> None:
    sample = Sample(name="need", help="How many.", value=1, labels={"builder": value})
    write_textfile(tmp_path / "run.prom", [sample])
    assert len(lines(tmp_path / "run.prom")) == 1


def test_samples_of_one_name_share_their_help(tmp_path: Path) -> None:
    pair = [Sample(name="need", help="H.", value=n, labels={"type": f"t{n}"}) for n in range(2)]
    write_textfile(tmp_path / "run.prom", pair)
    assert (tmp_path / "run.prom").read_text() == (
        "# HELP farmhand_need H.\n# TYPE farmhand_need gauge\n"
        'farmhand_need{type="t0"} 0.0\nfarmhand_need{type="t1"} 1.0\n'
    )


def test_nothing_else_is_left_beside_the_textfile(tmp_path: Path) -> None:
    write_textfile(tmp_path / "run.prom", samples(0))
    assert [path.name for path in tmp_path.iterdir()] == ["run.prom"]


@pytest.mark.fault("the metrics textfile is in no directory", "exit 2, a line that names it")
def test_a_textfile_in_no_directory_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"metrics textfile .*/none/run\.prom: No such file"):
        write_textfile(tmp_path / "none" / "run.prom", samples(0))


def graphite(server: socket.socket, prefix: str = "") -> GraphiteHost:
    return GraphiteHost(host="127.0.0.1", port=server.getsockname()[1], prefix=prefix)


@pytest.mark.integration
def test_graphite_gets_a_line_a_number_under_its_prefix() -> None:
    labelled = Sample(name="need", help="H.", value=3, labels={"instance_type": "bld-linux64"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        push_to_graphite([graphite(server, "releng.aws")], [labelled])
        connection, _ = server.accept()
        with connection, connection.makefile() as file:
            name, value, _stamp = file.readline().split()
    assert (name, value) == ("releng.aws.farmhand_need.instance_type.bld-linux64", "3.0")


@pytest.mark.integration
def test_a_graphite_that_is_away_costs_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = graphite(server)
    with caplog.at_level(logging.WARNING):
        push_to_graphite([host], samples(0))
    assert f"graphite 127.0.0.1:{host.port}" in caplog.text
