"""Tokens as texts: made once, kept as their digest. Asks the system for randomness."""

import hashlib
import secrets

# So that who finds one in a log or a repository knows what it is.
PREFIX = "farmhand_"
RANDOM_BYTES = 32


def make_token() -> str:
    """Make a token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest_token(token: str) -> str:
    """Digest a token as the database has it: SHA-256 in hex.

    >>> digest_token("farmhand_x")[:16]
    '210f4feacebec429'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
