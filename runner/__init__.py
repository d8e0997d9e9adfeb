"""Pre-flight, one Buildbot worker, post-flight, and round again."""
