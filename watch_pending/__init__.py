"""watch-pending: starts EC2 machines while Buildbot jobs wait."""
