"""The files that an import was given → their rows, or all that is wrong with them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farmhand.errors import BadInput
from farmhand.validation import Place, Problem, refuse
from slavealloc.bulk.import_forms import (
    JACUZZIS,
    MASTERS,
    PASSWORDS,
    WORKERS,
    Form,
    name_template,
    read_name,
    read_text,
)
from slavealloc.bulk.import_plan import Files
from slavealloc.bulk.importing import (
    Found,
    ImportRow,
    decode,
    find_repeats,
    parse_csv,
    parse_masters,
)

OPTIONS: Mapping[str, Form] = {
    "slave_data": WORKERS,
    "master_data": MASTERS,
    "password_data": PASSWORDS,
    "jacuzzi_data": JACUZZIS,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Paths:
    """The files to import, as the options name them."""

    slave_data: Path | None = None
    master_data: Path | None = None
    master_json: Path | None = None
    password_data: Path | None = None
    jacuzzi_data: Path | None = None
    templates: tuple[Path, ...] = ()


def read_files(paths: Paths) -> Files:
    """Read all files; raises BadInput with a line for each thing that is wrong in any of them."""
    if paths == Paths():
        raise BadInput(
            "nothing to import: give --slave-data, --master-data, --master-json, --password-data, "
            "--jacuzzi-data or --tac-template"
        )
    found: Found = []
    files = Files(
        workers=_read_csv(paths.slave_data, WORKERS, found),
        masters=[
            *_read_csv(paths.master_data, MASTERS, found),
            *_read_masters(paths.master_json, found),
        ],
        passwords=_read_csv(paths.password_data, PASSWORDS, found),
        jacuzzis=_read_csv(paths.jacuzzi_data, JACUZZIS, found),
        templates=[row for path in paths.templates for row in _read_template(path, found)],
    )
    found += find_repeats(files.workers, ("name",))
    found += find_repeats(files.masters, ("nickname",))
    found += find_repeats(files.passwords, ("distro",))
    found += find_repeats(files.jacuzzis, ("worker",))
    found += find_repeats(files.templates, ())
    refuse(found)
    return files


def check_file(path: Path) -> None:
    """Read one file as an import would: a template, or a CSV file, of a kind that its header tells.

    Raises BadInput with a line for each thing that is wrong.
    """
    if path.name.endswith(".tac.j2"):
        read_files(Paths(templates=(path,)))
        return
    header = {name.strip() for name in _read(path).partition("\n")[0].split(",")}
    likest = max(OPTIONS, key=lambda option: len(header & OPTIONS[option].columns.keys()))
    named: dict[str, Any] = {likest: path}
    read_files(Paths(**named))


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    return decode(raw, str(path))


def _read_csv(path: Path | None, form: Form, found: Found) -> list[ImportRow]:
    if path is None:
        return []
    rows, problems = parse_csv(_read(path), str(path), form)
    found += problems
    return rows


def _read_masters(path: Path | None, found: Found) -> list[ImportRow]:
    if path is None:
        return []
    rows, problems = parse_masters(_read(path), str(path))
    found += problems
    return rows


def _read_template(path: Path, found: Found) -> list[ImportRow]:
    """Read a template of a tac, and check that what is made of it is one."""
    from slavealloc.tac import check_template

    name, text, line, wrong = name_template(path.name), _read(path), 1, None
    try:
        if name is None:
            raise ValueError("is no template by its name: expected NAME.tac.j2")  # noqa: TRY301
        read_name(name)
        read_text(text)
        check_template(text)
    except ValueError as err:
        wrong = str(err)
    except BadInput as err:
        told = re.fullmatch(r"(?:line (\d+): )?(.*)", str(err), re.DOTALL)
        line, wrong = (int(told[1] or 1), told[2]) if told else (1, str(err))
    place = Place(str(path), line)
    if wrong is not None:
        found.append((place, Problem((), wrong)))
        return []
    return [ImportRow(place=place, key=(name,), values={"name": name, "template": text})]
