"""Whatever daemons say: a job leaves in one way, nothing strange is collected."""

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from scanner.dispatch import can_build, choose
from scanner.models import (
    Action,
    BuildState,
    Candidate,
    Daemon,
    Fate,
    Free,
    Known,
    Observation,
    QueueStatus,
    StopReason,
)
from scanner.transport.wire import DaemonState, Dialect, Status
from tests.scanner_rows import (
    LIMITS,
    NOW,
    make_candidate,
    make_daemon,
    make_free,
    make_job,
    settle,
)

times = st.none() | st.integers(-200_000, 2_000).map(lambda s: NOW + timedelta(seconds=s))
jobs = st.builds(
    make_job,
    status=st.sampled_from((QueueStatus.RUNNING, QueueStatus.CANCELLING)),
    started_at=times,
    log_tail=st.none() | st.sampled_from(("", "so far")),
    log_moved_at=times,
    stop_reason=st.none() | st.sampled_from(StopReason),
    abort_sent_at=times,
    failure_count=st.integers(0, 6),
    lost_count=st.integers(0, 12),
)
daemons = st.builds(
    make_daemon,
    job=st.none() | jobs,
    enabled=st.booleans(),
    manual=st.booleans(),
    clean=st.booleans(),
    failure_count=st.integers(0, 6),
    failing_since=times,
    counted_at=times,
    not_before=times,
    aborting_since=times,
    abort_sent_at=times,
    fetching_until=times,
)
statuses = st.builds(
    Status,
    state=st.sampled_from(DaemonState),
    dialect=st.sampled_from(Dialect),
    cookie=st.none() | st.sampled_from(("5-7", "5-8", "9-7", "x", "5-7-1")),
    build_status=st.none()
    | st.sampled_from(("OK", "PACKAGEFAIL", "BUILDERFAIL", "GIVENBACK", "ABORTED", "NEW")),
    log_tail=st.binary(max_size=8),
)
silence = st.builds(
    Observation,
    status=st.none(),
    error=st.just("no answer"),
    ours=st.booleans(),
    unknown=st.booleans(),
)
observations = st.builds(Observation, status=statuses) | silence
knowns = st.builds(
    Known,
    builds=st.frozensets(st.sampled_from((5, 9))),
    attempts=st.dictionaries(
        st.sampled_from((7, 8)), st.tuples(st.just(5), st.just(1), st.booleans())
    ),
)
ENDED = frozenset(BuildState) - {BuildState.NEEDS_BUILD, BuildState.BUILDING}


@given(daemons, observations, knowns)
def test_a_job_stays_or_leaves_in_one_way(daemon: Daemon, seen: Observation, known: Known) -> None:
    following = settle(daemon, seen if daemon.enabled else None, known)
    change, job = following.change, daemon.job
    if job is None:
        assert change is None
        assert following.then is not Action.COLLECT
        return
    leaves = change is not None and change.fate is not Fate.KEPT
    assert leaves == (following.daemon.job is None)
    if change is None:
        return
    assert change.job.cookie == job.cookie
    match change.fate:
        case Fate.KEPT:
            assert change.state is BuildState.BUILDING
        case Fate.REQUEUED:
            assert change.state is BuildState.NEEDS_BUILD
            assert not job.is_cancelled
        case Fate.ENDED:
            assert change.state in ENDED - {BuildState.BUILT}  # with a log only


@given(daemons, observations, knowns)
def test_only_the_job_that_a_daemon_was_given_is_collected_from_it(
    daemon: Daemon, seen: Observation, known: Known
) -> None:
    following = settle(daemon, seen if daemon.enabled else None, known)
    if following.then is Action.COLLECT:
        assert daemon.job is not None
        assert seen.status is not None
        assert seen.status.cookie == daemon.job.cookie
        assert seen.status.state in {DaemonState.WAITING, DaemonState.ABORTED}


@given(daemons, observations, knowns)
def test_only_an_idle_daemon_takes_a_job_and_clean_is_called_only_where_it_is_legal(
    daemon: Daemon, seen: Observation, known: Known
) -> None:
    following = settle(daemon, seen if daemon.enabled else None, known)
    status = seen.status
    if following.verdict.action is Action.READY:
        assert status is not None
        assert status.state is DaemonState.IDLE
        assert (daemon.enabled, daemon.manual, daemon.job) == (True, False, None)
        assert following.daemon.clean
    if following.then is Action.CLEAN:
        assert status is not None
        assert status.state in {DaemonState.WAITING, DaemonState.ABORTED}
    if following.then is Action.ABORT:
        assert status is not None
        assert status.state is DaemonState.BUILDING


@given(daemons, observations, knowns)
def test_counts_never_fall_but_where_they_are_forgotten(
    daemon: Daemon, seen: Observation, known: Known
) -> None:
    following = settle(daemon, seen if daemon.enabled else None, known)
    assert following.daemon.failure_count in {
        0,
        daemon.failure_count,
        daemon.failure_count + 1,
    }
    if following.change is not None and daemon.job is not None:
        grown = following.change.job.failure_count - daemon.job.failure_count
        lost = following.change.job.lost_count - daemon.job.lost_count
        assert (grown, lost) in {(0, 0), (1, 0), (0, 1)}


def test_what_a_daemon_never_says_ends_its_job_all_the_same() -> None:
    silent = Observation(status=None, error="no answer")
    past = NOW - timedelta(seconds=LIMITS.silent_s)
    daemon = make_daemon(make_job(), failing_since=past)
    for scans in range(1, 9):
        following = settle(daemon, silent)
        assert following.change is not None
        if following.change.fate is not Fate.KEPT:
            assert (scans, following.change.fate) == (3, Fate.REQUEUED)
            return
        daemon = make_daemon(
            following.change.job,
            failure_count=following.daemon.failure_count,
            failing_since=past,
        )
    raise AssertionError("it was waited for, for ever")


# Who gets what

tags = st.frozensets(st.sampled_from(("big", "kvm")))
candidates = st.lists(
    st.builds(
        make_candidate,
        queue_id=st.integers(1, 50),
        processor_id=st.integers(1, 3),
        tags=tags,
        score=st.integers(-2, 2),
        last_daemon_id=st.none() | st.integers(1, 9),
    ),
    unique_by=lambda each: each.queue_id,
)
free = st.lists(
    st.builds(
        lambda key, processors, mine: make_free(key, tuple(processors), *mine),
        st.integers(1, 9),
        st.frozensets(st.integers(1, 3), min_size=1),
        tags,
    ),
    unique_by=lambda each: each.daemon_id,
)


@given(candidates, free, st.randoms(use_true_random=False))
def test_jobs_go_to_daemons_that_can_each_once_whatever_the_order(
    waiting: list[Candidate], able: list[Free], random: Random
) -> None:
    pairs = choose(waiting, able)
    assert len({job for job, _ in pairs}) == len({daemon for _, daemon in pairs}) == len(pairs)
    by_job = {each.queue_id: each for each in waiting}
    by_daemon = {each.daemon_id: each for each in able}
    assert all(can_build(by_daemon[daemon], by_job[job]) for job, daemon in pairs)
    random.shuffle(waiting)
    random.shuffle(able)
    assert choose(waiting, able) == pairs


@given(candidates, free)
def test_no_daemon_stays_free_that_could_have_had_a_job(
    waiting: list[Candidate], able: list[Free]
) -> None:
    pairs = choose(waiting, able)
    left = [each for each in waiting if each.queue_id not in {job for job, _ in pairs}]
    idle = [each for each in able if each.daemon_id not in {daemon for _, daemon in pairs}]
    assert not any(can_build(daemon, job) for daemon in idle for job in left)
