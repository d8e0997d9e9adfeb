"""`python -m slavealloc.runslave` is `runslave`."""

from slavealloc.runslave.cli import main

main()
