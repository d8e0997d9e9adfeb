"""What a build has left on its daemon → the store: the log first, then its files.

Nothing here touches the database: what is stored counts only once its row says so, and doing it
again gives the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from scanner.config import Scanner
from scanner.logfile import LogFile
from scanner.models import BuildState, Job, Verdict
from scanner.store import Store, sum_file, writing
from scanner.transport.calls import LOG_NAME, Transport
from scanner.transport.errors import FileMissing
from scanner.transport.wire import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFile:
    """A file in the store; `path` is below it."""

    size: int
    sha1: str
    sha256: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Harvest:
    """All that a build has left: its log, and file name → file. `log_bytes` before any cut."""

    log: StoredFile | None
    log_name: str
    log_bytes: int
    files: Mapping[str, StoredFile]
    dependencies: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Collector:
    """Fetches what builds have left."""

    transport: Transport
    store: Store
    limits: Scanner

    async def collect(self, url: str, job: Job, status: Status, verdict: Verdict) -> Harvest:
        """Fetch and store a build's log, and its files if it is fully built.

        Raises what the transport raises, and StoreTrouble.
        """
        self.store.check_space(self.limits.keep_free_bytes)
        wanted = status.files if verdict.state is BuildState.BUILT else {}
        with self.store.staging(job.cookie) as directory:
            log, log_bytes = await self._fetch_log(url, job, verdict, directory)
            files: dict[str, StoredFile] = {}
            left = self.limits.build_most_bytes
            for name, sha1 in sorted(wanted.items()):
                files[name] = await self._fetch_file(url, sha1, directory / "file", left)
                left -= files[name].size
        return Harvest(
            log=log,
            log_name=self.store.log_path(job.build_id, job.cookie).name,
            log_bytes=log_bytes,
            files=files,
            dependencies=status.dependencies,
        )

    async def _fetch_log(
        self, url: str, job: Job, verdict: Verdict, directory: Path
    ) -> tuple[StoredFile | None, int]:
        staged, limits = directory / "log", self.limits
        try:
            with (
                writing(self.store.root),
                LogFile(
                    staged, head_bytes=limits.log_head_bytes, tail_bytes=limits.log_tail_bytes
                ) as log,
            ):
                await self.transport.fetch(
                    url, LOG_NAME, log.write, most_bytes=limits.log_most_bytes
                )
        except FileMissing:
            if verdict.log_required:
                raise
            return None, 0
        size, sha1, sha256 = sum_file(staged)
        kept = self._keep(staged, StoredFile(size=size, sha1=sha1, sha256=sha256, path=""))
        self.store.link(kept.path, self.store.log_path(job.build_id, job.cookie))
        return kept, log.size

    async def _fetch_file(self, url: str, sha1: str, staged: Path, left: int) -> StoredFile:
        most = min(self.limits.file_most_bytes, left)
        with writing(self.store.root), staged.open("wb") as draft:
            fetched = await self.transport.fetch(url, sha1, draft.write, most_bytes=most)
        file = StoredFile(size=fetched.size, sha1=fetched.sha1, sha256=fetched.sha256, path="")
        return self._keep(staged, file)

    def _keep(self, staged: Path, file: StoredFile) -> StoredFile:
        target = self.store.file_path(file.sha256)
        self.store.keep(staged, target)
        return replace(file, path=self.store.relative(target))
