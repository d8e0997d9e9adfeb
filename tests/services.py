"""Private database servers for tests, run from the distribution's programs, none already there.

Each listens on 127.0.0.1 and a unix socket in a folder of its own below /tmp, removed at the end:
pytest's own folders are too long for a socket and closed to the user that PostgreSQL runs as.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

START_LIMIT_S = 30.0
PROGRAMS = {
    "mariadb": ("mariadbd",),
    "postgresql": ("initdb", "postgres"),
    "chromium": ("chromium",),
    "nginx": ("nginx",),
    "puppet": ("puppet",),
    "zsh": ("zsh",),
    "fish": ("fish",),
}
PACKAGES = {  # Debian's
    "mariadb": "mariadb-server-core",
    "postgresql": "postgresql",
    "chromium": "chromium",
    "nginx": "nginx-light",
    "puppet": "puppet",
    "zsh": "zsh",
    "fish": "fish",
}


def missing_services() -> dict[str, str]:
    """Return service → the package to install, for each of them whose programs are not there."""
    return {
        name: PACKAGES[name]
        for name, programs in PROGRAMS.items()
        if any(find_program(program) is None for program in programs)
    }


@dataclass(kw_only=True)
class DatabaseServer:
    """A server that may stop and start again; its URLs and databases stay."""

    scheme: str  # in farmhand's spelling: mysql or postgresql
    user: str
    folder: Path  # of its data and socket
    log: Path
    port: int
    command: Sequence[str]
    owner: str | None  # the user to run as
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def url(self, database: str, *, port: int | None = None) -> str:
        """Return a URL over TCP; `port` is that of a proxy in front of this server."""
        return f"{self.scheme}://{self.user}@127.0.0.1:{port or self.port}/{database}"

    def socket_url(self, database: str) -> str:
        """Return a URL over the unix socket."""
        if self.scheme == "mysql":
            return f"mysql://{self.user}@localhost/{database}?unix_socket={self.folder}/socket"
        return f"postgresql://{self.user}@/{database}?host={self.folder}&port={self.port}"

    def engine(self, database: str) -> sa.Engine:
        """Return an engine that keeps no connection, for a test's own look at the database."""
        driver = "pymysql" if self.scheme == "mysql" else "psycopg"
        url = sa.make_url(self.url(database)).set(drivername=f"{self.scheme}+{driver}")
        return sa.create_engine(url, poolclass=sa.NullPool)

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        encoding = "CHARACTER SET utf8mb4" if self.scheme == "mysql" else "ENCODING 'UTF8'"
        self.execute(f"CREATE DATABASE {name} {encoding}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database if it exists, whoever is connected."""
        force = "" if self.scheme == "mysql" else " WITH (FORCE)"
        self.execute(f"DROP DATABASE IF EXISTS {name}{force}")

    def execute(self, statement: str) -> None:
        """Run one statement, outside of any transaction, as the administrator."""
        engine = self.engine("mysql" if self.scheme == "mysql" else "postgres")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        assert self.process is None, "it runs already"
        with self.log.open("ab") as log:
            self.process = _spawn(self.command, self.folder, self.owner, log.fileno())
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.command[0]} did not start:\n{_tail(self.log)}")
            time.sleep(0.03)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except sa.exc.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop the server, cutting its connections; do nothing if it is stopped."""
        if self.process is None:
            return
        # SIGINT is PostgreSQL's fast stop: it does not wait for its clients to leave.
        self.process.send_signal(signal.SIGTERM if self.scheme == "mysql" else signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


@contextlib.contextmanager
def running_mariadb(
    directory: Path | None = None, *, buffer_pool: str = "128M"
) -> Iterator[DatabaseServer]:
    """Run a MariaDB whose root needs no password; its log goes to `directory`."""
    with _own_folder(owner=None) as folder:
        # In a shared tmpdir each server that starts removes the others' temporary tables.
        common = ["--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}"]
        common += ["--user=root"] if os.geteuid() == 0 else []
        _install_mariadb([_program("mariadbd"), *common], folder)
        port = free_port()
        options = [f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--port={port}"]
        options += ["--bind-address=127.0.0.1", "--skip-name-resolve", "--performance-schema=0"]
        options += ["--character-set-server=utf8mb4", "--innodb-fast-shutdown=2"]
        # Nothing here must survive a crash of the machine.
        options += ["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0"]
        options += [f"--innodb-buffer-pool-size={buffer_pool}", "--innodb-doublewrite=0"]
        server = DatabaseServer(
            scheme="mysql",
            user="root",
            folder=folder,
            log=(directory or folder) / "mariadb.log",
            port=port,
            command=[_program("mariadbd"), *common, *options],
            owner=None,
        )
        with _running(server):
            yield server


@contextlib.contextmanager
def running_postgresql(directory: Path | None = None) -> Iterator[DatabaseServer]:
    """Run a PostgreSQL that trusts everyone here; its log goes to `directory`.

    It refuses to be root, so root runs it as the user postgres or nobody.
    """
    owner = _unprivileged_user() if os.geteuid() == 0 else None
    with _own_folder(owner) as folder:
        install = [
            _program("initdb"),
            f"--pgdata={folder}/data",
            "--username=postgres",
            "--no-sync",
        ]
        _run([*install, "--auth=trust", "--encoding=UTF8", "--locale=C"], folder, owner)
        port = free_port()
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder)}
        options |= dict.fromkeys(("fsync", "full_page_writes", "synchronous_commit"), "off")
        options |= {"shared_buffers": "64MB", "max_wal_size": "4GB", "autovacuum": "off"}
        words = [f"--{name}={value}" for name, value in options.items()]
        server = DatabaseServer(
            scheme="postgresql",
            user="postgres",
            folder=folder,
            log=(directory or folder) / "postgresql.log",
            port=port,
            command=[_program("postgres"), "-D", f"{folder}/data", "-p", str(port), *words],
            owner=owner,
        )
        with _running(server):
            yield server


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def _running(server: DatabaseServer) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()


@contextlib.contextmanager
def _own_folder(owner: str | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="farm-", dir="/tmp") as name:
        if owner is not None:
            shutil.chown(name, owner)
        yield Path(name)


def _unprivileged_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def find_program(name: str) -> str | None:
    """Find a program, also where only root looks for it."""
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]
    places += map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    return shutil.which(name, path=os.pathsep.join(places))


def _program(name: str) -> str:
    path = find_program(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed")
    return path


def _install_mariadb(command: Sequence[str], folder: Path) -> None:
    """Write the system tables as mariadb-install-db does, which needs the client package too."""
    (folder / "data").mkdir()
    script = "CREATE DATABASE mysql;\nUSE mysql;\n"
    for part in ("tables", "tables_data"):
        name = f"mysql_system_{part}.sql"
        places = [Path("/usr/share") / word / name for word in ("mysql", "mariadb")]
        found = [path for path in places if path.exists()]
        if not found:
            raise RuntimeError(f"{places[0]} is not there; install {PACKAGES['mariadb']}")
        script += found[0].read_text()
    (folder / "install.sql").write_text(script)
    with (folder / "install.sql").open("rb") as source:
        options = ["--bootstrap", "--innodb-flush-method=nosync", "--log-warnings=0"]
        _run([*command, *options], folder, owner=None, source=source.fileno())


def _spawn(
    command: Sequence[str], folder: Path, owner: str | None, output: int, source: int | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL if source is None else source,
        stdout=output,
        stderr=output,
        user=owner,
        group=None if owner is None else pwd.getpwnam(owner).pw_gid,
        extra_groups=None if owner is None else [],
        start_new_session=True,
    )


def _run(
    command: Sequence[str], folder: Path, owner: str | None, source: int | None = None
) -> None:
    log = folder / "install.log"
    with log.open("wb") as output:
        code = _spawn(command, folder, owner, output.fileno(), source).wait(60)
    if code != 0:
        raise RuntimeError(f"{command[0]} ended with {code}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
