"""What each runner would import and make anew, made once before they are forked.

Imported by the server they are forked from, and by nothing else.
"""

import importlib
from pathlib import Path

from farmhand.config import SECTIONS, find_section
from farmhand.validation import validate

for module in ("farmhand.boundary", "runner.run", "runner.status", "runner.worker.life"):
    importlib.import_module(module)
for name in SECTIONS:
    validate(find_section(name), {}, Path())
