"""`farmhand config check`: farmhand.yml, and the files of a deployment."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farmhand.admin import load_settings
from farmhand.command import Result, Run
from farmhand.config_file import find_config
from farmhand.deployment.check import check_files, find_deployed
from farmhand.deployment.started import from_line
from farmhand.errors import BadInput, ExitCode
from farmhand.findings import Finding, split_by_kind, to_json
from farmhand.output import print_json, print_lines
from farmhand.wording import count_of

ROOT = Path("/")
log = logging.getLogger("farmhand config")


def check_config(
    run: Run, secrets: Path | None, files: Sequence[Path], *, deployment: bool
) -> Result:
    """Print what was found, a line each, on stderr where it is wrong; exit code 2 for errors.

    Where files are given, there need not be a farmhand.yml.
    """
    paths = [*files, *(find_deployed(ROOT) if deployment else ())]
    if deployment and len(paths) == len(files):
        raise BadInput("nothing in /etc/cron.d or /etc/systemd/system starts a command of ours")
    document: dict[str, Any] = {"path": None, "farm": None, "sections": []}
    findings: list[Finding] = []
    if find_config(run.config_path, run.environ) is not None or not paths:
        try:
            settings = load_settings(run, secrets, "" if paths else None)
        except BadInput as err:
            findings += map(from_line, str(err).splitlines())
        else:
            sections = sorted(settings.sections)
            document = {"path": str(settings.path), "farm": settings.farm, "sections": sections}
    findings += check_files(paths, run.environ)
    return _report(run, {**document, "files": [str(path) for path in paths]}, findings)


def _report(run: Run, document: dict[str, Any], findings: Sequence[Finding]) -> Result:
    kinds = split_by_kind(findings)
    if run.json:
        print_json({**document, **to_json(kinds)})
    else:
        for kind, found in kinds.items():
            for each in found:
                level = logging.ERROR if kind == "errors" else logging.WARNING
                log.log(level, "%s", ": ".join(filter(None, [each.where, each.message])))
    if kinds["errors"]:
        return Result(exit_code=ExitCode.BAD_INPUT, summary={"errors": len(kinds["errors"])})
    if not run.json:
        _say_good(document)
    return Result()


def _say_good(document: dict[str, Any]) -> None:
    if document["path"] is not None:
        sections = ", ".join(document["sections"])
        print_lines([f"{document['path']}: farm {document['farm']}, {sections}: all good"])
    if document["files"]:
        print_lines([f"{count_of(len(document['files']), 'file')} of the deployment: all good"])
