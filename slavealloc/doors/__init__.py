"""Who may come in and change something, and the record of who did."""
