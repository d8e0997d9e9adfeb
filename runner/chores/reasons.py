"""How a chore names, to the runner that hears it, why it halts."""

from farmhand.output import print_lines
from runner.chores.frame import Call


def name_reason(call: Call, name: str, words: str) -> None:
    """Say it in the line that the runner looks for; to a person, the words are said anyway."""
    if call.by_runner:
        print_lines([f"@runner reason {name}: {words}"])
