"""The farm database's history, one line, run by `farmhand db upgrade`."""
