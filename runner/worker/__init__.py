"""One life of this machine's Buildbot worker: `runner worker`."""
