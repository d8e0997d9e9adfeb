"""Small files of the state directory by which chores tell each other something."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from farmhand.errors import BadInput, FarmError
from farmhand.files import replacing
from farmhand.state import make_writable
from runner.chores.settings import Action

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
WISH = "halt-wish.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the next halt should be, and why; it holds until the machine boots again."""

    action: Action
    why: str


def read_note(path: Path) -> dict[str, Any]:
    """Read a small file of ours; empty where there is none, or it is no such file."""
    with suppress(OSError, ValueError):
        document = json.loads(path.read_text("utf-8"))
        if isinstance(document, dict):
            return document
    return {}


def write_note(path: Path, document: dict[str, Any]) -> None:
    """Write it whole, and onto the disk: the machine may go down next. Raises FarmError."""
    make_writable(path.parent)
    try:
        with replacing(path) as file:
            file.write(json.dumps(document).encode())
    except OSError as err:
        raise FarmError(f"{path} can't be written: {err.strerror}") from err


def read_boot_id() -> str:
    """Read which boot of this machine this is."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError as err:
        raise BadInput(f"{BOOT_ID}: {err.strerror}") from err


def write_wish(state: Path, wish: Wish, boot_id: str) -> None:
    """Say what the halt that follows should be; raises FarmError."""
    document = {"action": wish.action, "why": wish.why, "boot_id": boot_id}
    write_note(state / WISH, document)


def read_wish(state: Path, boot_id: str) -> Wish | None:
    """Read what a halt should be; None where nobody has said so since this machine booted."""
    document = read_note(state / WISH)
    for action in get_args(Action):
        if (document.get("action"), document.get("boot_id")) == (action, boot_id):
            return Wish(action=action, why=str(document.get("why", "")))
    return None
