"""`make demo`: one farm on this machine, from waiting jobs to stopped machines."""
