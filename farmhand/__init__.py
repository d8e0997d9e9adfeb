"""What all farmhand commands share."""

__version__ = "0.1.0"
