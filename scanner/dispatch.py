"""Which waiting job goes to which free daemon; pure."""

from collections.abc import Iterable, Mapping, Sequence

from scanner.models import Candidate, Free


def choose(candidates: Iterable[Candidate], free: Iterable[Free]) -> tuple[tuple[int, int], ...]:
    """Give jobs to daemons: the highest score first, the oldest among equals.

    A job goes to a daemon that has its processor and all its tags: not, if there is another, the
    one it was on last; of these to the one that can do the least else. Returns (queue id, daemon
    id); each stands in one pair at most.
    """
    left = {each.daemon_id: each for each in free}
    chosen = []
    for job in sorted(candidates, key=lambda job: (-job.score, job.queued_at, job.queue_id)):
        able = [each for each in left.values() if can_build(each, job)]
        if able:
            best = min(able, key=lambda each: _preference(each, job))
            chosen.append((job.queue_id, best.daemon_id))
            del left[best.daemon_id]
    return tuple(chosen)


def can_build(daemon: Free, job: Candidate) -> bool:
    """Whether a daemon has what a job needs."""
    return job.processor_id in daemon.processors and job.tags <= daemon.tags


def _preference(daemon: Free, job: Candidate) -> tuple[bool, int, int, int]:
    again = daemon.daemon_id == job.last_daemon_id
    return again, len(daemon.processors), len(daemon.tags), daemon.daemon_id


def warn_of_chroots(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Say the original's two warnings of each architecture without a chroot."""
    return [
        line
        for row in rows
        for line in (
            f"Disabling: No CHROOT found for {row['title']} pocket '{row['pocket']}'",
            f"Unable to setup builder for {row['distribution']}/{row['series']}/{row['arch_tag']}.",
        )
    ]
