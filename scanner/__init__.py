"""Build daemons over XML-RPC: polled, rescued, collected, fed."""
