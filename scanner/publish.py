"""Publishes builds that have ended: a manifest beside each, and the configured command.

Both may happen twice where a run was killed in between; neither is forgotten.
"""

import asyncio
import json
import logging
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from farmhand.output import format_time
from scanner.models import TITLES, BuildState
from scanner.result_queries import EndedBuild
from scanner.store import Store

MANIFEST_VERSION = 1
MOST_SAID = 2000
log = logging.getLogger("scanner")


@dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """Writes manifests and runs the command for builds that are fully built."""

    farm: str
    store: Store
    command: tuple[str, ...]
    command_s: float

    async def publish(self, build: EndedBuild) -> str | None:
        """Publish one build; says what the command's trouble was. Raises StoreTrouble."""
        text = json.dumps(make_manifest(self.farm, build), indent=2, ensure_ascii=True) + "\n"
        manifest = self.store.write_manifest(build.build_id, text)
        if not self.command or build.state is not BuildState.BUILT:
            return None
        words = [word.replace("BUILDID", str(build.build_id)) for word in self.command]
        trouble = await run_command(words, manifest.parent, self.command_s)
        return None if trouble is None else f"build {build.build_id}: {words[0]}: {trouble}"


def make_manifest(farm: str, build: EndedBuild) -> dict[str, Any]:
    """Say all that is known of a build, and where its files are below the store."""
    facts = build.facts
    source = ("source", "version", "distribution", "series", "pocket", "component")
    extra = ("daemon", "reason", "dependencies", "duration_ms", "args")
    return {
        "manifest_version": MANIFEST_VERSION,
        "uid": f"{farm}-build-{build.build_id}",
        "what": f"{facts['source']} {facts['version']} on {facts['arch_tag']}",
        "status": build.state.value,
        "status_title": TITLES[build.state],
        "started_at": _time(facts["started_at"]),
        "finished_at": _time(facts["finished_at"]),
        "source": {name: facts[name] for name in source},
        "arch_tag": facts["arch_tag"],
        "artifacts": [
            {
                "role": each.role,
                "name": each.name,
                "size": each.size,
                "sha256": each.sha256,
                "path": each.path,
            }
            for each in build.artifacts
        ],
        "extra": {name: facts[name] for name in extra},
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


async def run_command(words: list[str], directory: Path, seconds: float) -> str | None:
    """Run a command to its end; says what went wrong, if anything."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=directory, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
        )
    except OSError as err:
        return str(err.strerror)
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        return f"did not end within {seconds:g} s"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    if said:
        log.info("%s: %s", words[0], said[-MOST_SAID:].decode("utf-8", "replace"))
    return None if process.returncode == 0 else f"exit code {process.returncode}"
