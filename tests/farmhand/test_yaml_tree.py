"""Files as trees: reading, line places, secrets, variables."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from farmhand.errors import BadInput
from farmhand.yaml_tree import expand, merge, read_yaml

DATA = Path("tests/data")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def error_of(path: Path, *, secret: bool = False) -> str:
    with pytest.raises(BadInput) as caught:
        read_yaml(path, secret=secret)
    return str(caught.value)


def test_merged_values_keep_the_line_where_they_stand() -> None:
    places = read_yaml(DATA / "good/anchors.yml").places
    region = ("watch_pending", "instance_types", "bld-linux64", "regions", "us-west-2")
    assert places[*region, "domain"].line == 13


def test_a_missing_key_stands_where_the_mapping_around_it_does(tmp_path: Path) -> None:
    path = write(tmp_path / "f.yml", "a: 1\nb:\n  c: 1\n")
    assert str(read_yaml(path).place(("b", "x", "y"))) == f"{path}:2"


def test_own_keys_win_over_merged_ones_and_earlier_merges_over_later() -> None:
    types = read_yaml(DATA / "good/anchors.yml").data["watch_pending"]["instance_types"]
    place = types["bld-linux64"]["regions"]["eu-west-1"]
    assert (place["domain"], place["subnets"]) == ("third.example.com", ["subnet-2"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml")


@given(data=st.dictionaries(st.text(), VALUES))
def test_yaml_reads_back_what_was_written(folder: Path, data: dict[str, object]) -> None:
    path = folder / "f.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert read_yaml(path).data == data


@pytest.mark.fault("the configuration file does not exist", "one line: no such file")
def test_a_missing_file_is_one_line() -> None:
    assert error_of(Path("nowhere.yml")) == "nowhere.yml: no such file"


@pytest.mark.fault("the configuration file is a directory", "one line: is a directory, not a file")
def test_a_directory_is_one_line(tmp_path: Path) -> None:
    assert error_of(tmp_path) == f"{tmp_path}: is a directory, not a file"


@pytest.mark.fault("the configuration file is a loop of links", "one line: can't be read")
def test_a_loop_of_links_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "f.yml").symlink_to("f.yml")
    assert "f.yml: can't be read: Too many levels" in error_of(tmp_path / "f.yml")


@pytest.mark.fault(
    "the configuration file is a device without end", "one line: is larger than 4 MiB"
)
def test_a_device_without_end_is_refused() -> None:
    assert error_of(Path("/dev/zero")) == "/dev/zero: is larger than 4,194,304 bytes"


# Secrets


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o666])
def test_secrets_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "secrets.yml", "farm: x", mode)
    message = f"{path}: holds secrets and others can read it; chmod 600 {path}"
    assert error_of(path, secret=True) == message


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_secrets_of_owner_and_group_are_read(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "secrets.yml", "farm: x", mode)
    assert read_yaml(path, secret=True).data == {"farm": "x"}


def test_a_merged_tree_has_the_keys_and_places_of_both(tmp_path: Path) -> None:
    ours = read_yaml(write(tmp_path / "f.yml", "a:\n  b: 1\n"))
    merged = merge(ours, read_yaml(write(tmp_path / "s.yml", "\na:\n  c: 2\n")))
    assert merged.data == {"a": {"b": 1, "c": 2}}
    assert {str(merged.place(("a", key))) for key in "bc"} == {
        f"{tmp_path}/f.yml:2",
        f"{tmp_path}/s.yml:3",
    }


@pytest.mark.fault(
    "a key stands in farmhand.yml and in the secrets", "an error that names both lines"
)
def test_a_key_in_both_files_is_an_error(tmp_path: Path) -> None:
    secrets = write(tmp_path / "secrets.yml", "database: 'sqlite://'\nfarm: x")
    with pytest.raises(BadInput) as caught:
        merge(read_yaml(DATA / "good/minimal.yml"), read_yaml(secrets))
    message = f"{secrets}:2: farm: is also set in tests/data/good/minimal.yml:2"
    assert str(caught.value) == message


# Variables


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("${A}", "1", id="whole value"),
        pytest.param("x${A}y${B}", "x1y${A}", id="what a variable holds is not expanded again"),
        pytest.param("$${A}", "${A}", id="a doubled dollar is a literal one"),
        pytest.param("$A $$ {A}", "$A $$ {A}", id="other dollars stay"),
    ],
)
def test_variables_are_expanded_once(tmp_path: Path, text: str, value: str) -> None:
    tree = read_yaml(write(tmp_path / "f.yml", f"a: ['{text}']"))
    assert expand(tree, {"A": "1", "B": "${A}"}).tree.data == {"a": [value]}


@pytest.mark.parametrize(("ignored", "problems"), [((), 1), (("a",), 0), (("b",), 1)])
def test_an_unset_variable_is_a_problem_where_it_is_not_ignored(
    tmp_path: Path, ignored: tuple[str, ...], problems: int
) -> None:
    tree = read_yaml(write(tmp_path / "f.yml", "a: {c: '${A}'}\nb: 1"))
    assert len(expand(tree, {}).unset_problems(ignored)) == problems
