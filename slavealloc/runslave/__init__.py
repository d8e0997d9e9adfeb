"""The machine's side: fetch the tac, start the worker; imports nothing heavy."""
