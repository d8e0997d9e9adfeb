"""`check`: mistakes that no single value shows, found before a run trips over them."""
