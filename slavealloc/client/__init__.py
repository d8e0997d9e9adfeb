"""What `slavealloc` asks a running server, through its API."""
