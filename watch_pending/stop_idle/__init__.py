"""`watch-pending stop-idle`: which machines are of no more use, and how they are let go."""
