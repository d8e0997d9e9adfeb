"""Measurements against the naive way, side by side in one run; `make bench` prints them."""
