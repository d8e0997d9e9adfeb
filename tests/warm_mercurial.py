"""What each hg would import, imported once before they are forked.

Imported by the server they are forked from, and by nothing else.
"""

import importlib
import os
import sys

for module in (
    "bundlerepo",
    "commands",
    "dispatch",
    "exchange",
    "hg",
    "localrepo",
    "logcmdutil",
    "mergestate",
    "mergeutil",
    "repair",
    "streamclone",
    "templatekw",
    "verify",
):
    importlib.import_module(f"mercurial.{module}")


def wake() -> None:
    """Know its own words, which it takes from Python's."""
    words = [os.fsencode(word) for word in sys.argv]
    vars(sys.modules["mercurial.pycompat"])["sysargv"] = words
