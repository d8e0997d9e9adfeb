"""The web page for people: what it shows, and what it lets them change."""
