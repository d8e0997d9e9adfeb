"""What tasks before and after a worker do: `runner chore`."""
