"""The whole database at once: made, dumped, loaded, imported."""
