"""watch-pending: starts EC2 machines while Buildbot jobs wait, and stops them when none do."""
