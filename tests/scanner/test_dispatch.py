"""Who gets what, and what is said where nothing can be built."""

from scanner.dispatch import choose, warn_of_chroots
from scanner.dispatch_queries import to_source
from tests.scanner_rows import HOUR, MINUTE, NOW, make_candidate, make_free


def test_the_highest_score_goes_first() -> None:
    jobs = [make_candidate(1, score=5), make_candidate(2, score=9), make_candidate(3, score=7)]
    assert choose(jobs, [make_free(1)]) == ((2, 1),)


def test_the_oldest_goes_first_among_equals_also_when_it_was_queued_again() -> None:
    jobs = [make_candidate(1, queued_at=NOW - MINUTE), make_candidate(9, queued_at=NOW - HOUR)]
    assert choose(jobs, [make_free(1)]) == ((9, 1),)


def test_a_job_goes_to_its_processor_and_to_the_daemon_that_can_do_the_least_else() -> None:
    able = [make_free(1, (1, 2)), make_free(2, (1,)), make_free(3, (2,))]
    assert choose([make_candidate(7)], able) == ((7, 2),)


def test_a_job_that_needs_a_tag_waits_for_a_daemon_that_has_it() -> None:
    job = make_candidate(7, tags=frozenset(("kvm",)))
    assert choose([job], [make_free(1)]) == ()
    assert choose([job], [make_free(1), make_free(2, (1,), "big", "kvm")]) == ((7, 2),)


def test_a_job_goes_to_another_daemon_than_last_time_if_there_is_one() -> None:
    job = make_candidate(7, last_daemon_id=1)
    assert choose([job], [make_free(1), make_free(2, (1, 2))]) == ((7, 2),)
    assert choose([job], [make_free(1)]) == ((7, 1),)


def test_without_a_chroot_the_originals_two_warnings_are_given() -> None:
    row = {
        "distribution": "ubuntu",
        "series": "hoary",
        "pocket": "Release",
        "arch_tag": "i386",
        "title": "The Hoary Hedgehog Release for i386 (x86)",
    }
    assert warn_of_chroots([row]) == [
        "Disabling: No CHROOT found for The Hoary Hedgehog Release for i386 (x86) pocket 'Release'",
        "Unable to setup builder for ubuntu/hoary/i386.",
    ]


class Row:
    sha1 = "0" * 40

    def __init__(self, url: str) -> None:
        self.url = url


def test_a_files_login_is_told_apart_from_its_url() -> None:
    source = to_source(Row("http://me:p%40ss@files:8000/a?b=c"))
    assert (source.url, source.user, source.password) == ("http://files:8000/a?b=c", "me", "p@ss")
    assert "p@ss" not in repr(source)
