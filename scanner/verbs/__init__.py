"""What operators do by hand: one verb a function, its options in `*_cli.py`."""
