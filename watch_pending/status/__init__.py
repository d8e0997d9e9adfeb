"""`status`: what the farm is doing now, on one screen."""
