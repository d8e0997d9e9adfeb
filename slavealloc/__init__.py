"""slavealloc: which master each worker belongs to, served as its buildbot.tac."""
