"""Logging for every command: stderr for people, a rotating file, syslog."""

import logging
import logging.handlers
import re
import sys
import time
from pathlib import Path

from farmhand.errors import BadInput

log = logging.getLogger(__name__)

LOGFILE_BYTES = 10 * 2**20
LOGFILES_KEPT = 10
FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
LIBRARIES = ("botocore", "boto3", "urllib3", "alembic", "sqlalchemy")
# At DEBUG these write whole requests and answers: user data, certificates, signatures, logins.
NEVER_DEBUG = (
    "botocore.auth",
    "botocore.awsrequest",
    "botocore.endpoint",
    "botocore.hooks",
    "botocore.httpsession",
    "botocore.parsers",
    "botocore.retryhandler",
    "sqlalchemy.engine",
    "sqlalchemy.pool",
    "urllib3",
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLineFormatter(logging.Formatter):
    """Writes UTC stamps, and a message on one line whatever a builder is called."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Escape control characters; a traceback, which comes after, keeps its lines."""
        record.message = one_line(record.message)
        return super().formatMessage(record)


def one_line(text: str) -> str:
    r"""Escape control characters.

    >>> one_line("Linux\nbuild"), one_line("\x9b31m")
    ('Linux\\nbuild', '\\x9b31m')
    """
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


class _SaidOnce(logging.Handler):
    """A handler that can't write says so once, where the library prints a traceback each time."""

    said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's
        """Say it elsewhere, and let the run go on."""
        if not self.said:
            self.said = True
            log.warning("log %s: %s; this run goes on without it", self.name, sys.exc_info()[1])


class _LogFile(_SaidOnce, logging.handlers.RotatingFileHandler):
    """The file of -l."""


class _SysLog(_SaidOnce, logging.handlers.SysLogHandler):
    """Syslog, on this host or another."""


def set_up(*, verbosity: int, logfile: Path | None, syslog: str | None) -> None:
    """Send warnings to stderr (INFO from verbosity 1, DEBUG from 2, errors only below 0).

    A log file and syslog get INFO at least. Raises BadInput where one of them can't be opened.
    """
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setLevel(level)
    logging.getLogger().handlers = []
    _add(stderr)
    if logfile is not None:
        add_logfile(logfile)
    if syslog is not None:
        _add(_open_syslog(syslog))
    # What libraries say of their own work is for -vv.
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.DEBUG if verbosity > 1 else logging.WARNING)
    for name in NEVER_DEBUG:
        logging.getLogger(name).setLevel(logging.INFO if verbosity > 1 else logging.WARNING)


def add_logfile(path: Path) -> None:
    """Log to a rotating file too; raises BadInput where it can't be opened."""
    try:
        handler = _LogFile(
            path,
            maxBytes=LOGFILE_BYTES,
            backupCount=LOGFILES_KEPT,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as err:
        raise BadInput(f"log {path}: {err}") from err
    handler.name = str(path)
    _add(handler)


def add_syslog(address: str) -> None:
    """Log to syslog too, as a file says that may come from another host; else warn and go on."""
    try:
        _add(_open_syslog(address))
    except BadInput as err:
        log.warning("%s; this run goes on without it", err)


def _open_syslog(address: str) -> logging.Handler:
    # The library would try again at each line, and print a traceback for each.
    if address.startswith("/") and not Path(address).is_socket():
        raise BadInput(f"log {address}: nothing listens there")
    try:
        handler = _SysLog(_syslog_address(address))
    except (OSError, ValueError) as err:
        raise BadInput(f"log {address}: {err}") from err
    handler.name = address
    return handler


def _add(handler: logging.Handler) -> None:
    """Add a handler; one whose level nobody set gets what stderr gets, and INFO at least."""
    root = logging.getLogger()
    if handler.level == logging.NOTSET:
        handler.setLevel(min(logging.INFO, *(each.level for each in root.handlers)))
    handler.setFormatter(OneLineFormatter())
    root.addHandler(handler)
    root.setLevel(min(each.level for each in root.handlers))


def _syslog_address(text: str) -> str | tuple[str, int]:
    """Read `/dev/log`, `host` or `host:port`."""
    if text.startswith("/"):
        return text
    host, _, port = text.partition(":")
    return (host, int(port or logging.handlers.SYSLOG_UDP_PORT))


def mute_stderr() -> None:
    """Say nothing more on stderr, where a screen is drawn; files and syslog go on."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(logging.CRITICAL + 1)
