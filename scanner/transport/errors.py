"""What can go wrong between us and a daemon; each message names the daemon."""

from farmhand.errors import FarmError, Unavailable


class ProtocolError(FarmError):
    """The daemon answered, but not as the protocol has it."""


class UnknownState(ProtocolError):
    """The daemon is in a state that the protocol does not have."""


class FileMissing(ProtocolError):
    """The daemon has no such file."""


class NothingMore(ProtocolError):
    """A file ends before the part that was asked for."""


class TooLarge(ProtocolError):
    """A file, or a reply, is larger than agreed."""


class Unreachable(Unavailable):
    """The daemon refused the connection, or gave no whole answer in time."""


class HostExhausted(Unavailable):
    """This host can open no more connections: no fault of the daemon's."""


class OutOfTime(HostExhausted):
    """The run ends before the daemon's own deadline: no fault of the daemon's either."""


class DaemonFault(FarmError):
    """The daemon refused the call; its code tells little, its text nothing, the next status all."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
