"""The sixty scenarios that Launchpad tests, by number: which of our tests has each."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
SCENARIOS: dict[int, str] = {
    1: "test_a_build_is_given_followed_collected_and_cleaned",
    2: "test_a_disabled_daemons_job_goes_to_another_and_nobody_calls_it",
    3: "test_the_tail_of_a_log_is_text_whatever_is_in_it",
    4: "test_from_cron_it_says_nothing_when_all_is_well",
    5: "test_a_manual_daemon_is_collected_from_and_gets_nothing",
    6: "test_a_disabled_daemons_job_goes_to_another_and_nobody_calls_it",
    7: "test_a_silent_daemon_is_borne_with_for_a_while",
    8: "test_the_tail_of_a_log_is_text_whatever_is_in_it",
    9: "test_the_tail_of_a_log_is_text_whatever_is_in_it",
    10: "test_nothing_follows_where_the_job_is_another_now",
    11: "test_a_struct_is_understood",
    12: "test_a_silent_daemon_is_borne_with_for_a_while",
    13: "test_then_each_scan_counts_one_failure_of_daemon_and_job",
    14: "test_an_answer_ends_a_streak",
    15: "test_who_is_to_blame",
    16: "test_who_is_to_blame",
    18: "test_a_daemon_with_a_job",
    19: "test_a_daemon_without_a_job",
    20: "test_a_daemon_that_answers_is_written_down",
    21: "test_a_job_that_runs_is_cancelled_with_its_log",
    22: "test_a_daemon_with_a_job",
    23: "test_an_abort_counts_from_the_first_time",
    24: "test_statements_do_not_grow_with_the_number_of_daemons",
    25: "test_a_daemon_with_a_job",
    26: "test_a_daemon_that_has_what_is_not_ours_is_swept_and_then_works",
    28: "test_who_is_to_blame",
    29: "test_a_daemon_that_is_to_blame_is_left_alone_for_a_while_then_disabled",
    30: "test_a_job_that_is_to_blame_ends_and_absolves_its_daemon",
    31: "test_builderfail_disables_at_once_and_does_not_clean",
    32: "test_failing_while_it_is_cancelled_cancels",
    33: "test_a_job_stays_or_leaves_in_one_way",
    34: "test_status_says_who_needs_a_human_and_why",
    35: "test_a_farm_is_set_up_by_hand_on_any_database",
    36: "test_a_database_that_goes_away_in_the_middle_costs_no_result",
    37: "test_statements_do_not_grow_with_the_number_of_daemons",
    38: "test_a_log_that_breaks_off_is_fetched_again",
    39: "test_statements_do_not_grow_with_the_number_of_daemons",
    40: "test_jobs_go_to_daemons_that_can_each_once_whatever_the_order",
    41: "test_two_hosts_share_the_daemons_and_give_no_job_twice",
    42: "test_a_job_that_needs_a_tag_waits_for_a_daemon_that_has_it",
    44: "test_a_daemon_without_a_job",
    47: "test_only_an_idle_daemon_takes_a_job_and_clean_is_called_only_where_it_is_legal",
    48: "test_a_whole_build",
    49: "test_each_call_has_a_deadline_of_its_own",
    50: "test_what_a_build_leaves_is_stored_by_its_content_and_in_a_manifest",
    51: "test_what_is_no_status_is_refused",
    52: "test_a_daemon_is_asked_no_more_than_it_must_be",
    53: "test_without_a_chroot_nothing_is_built_and_two_lines_say_so",
    55: "test_what_a_build_leaves_is_stored_by_its_content_and_in_a_manifest",
    56: "test_one_bad_name_refuses_all_that_a_build_left_and_nothing_else",
    57: "test_how_a_build_fails_is_its_state",
    58: "test_a_daemon_with_a_job",
    59: "test_a_daemon_with_a_job",
    60: "test_what_a_build_leaves_is_stored_by_its_content_and_in_a_manifest",
}
APART = {
    17: "no virtual machine is reset",
    27: "a cookie is made of two numbers, and kept nowhere",
    43: "no virtual machine is reset",
    45: "no virtual machine is reset",
    46: "no build supersedes another",
    54: "no daemon is virtual",
}


def test_every_scenario_has_a_test_or_a_reason_why_not() -> None:
    assert SCENARIOS.keys() | APART.keys() == set(range(1, 61))
    assert SCENARIOS.keys() & APART.keys() == set()


@pytest.fixture(scope="module")
def names() -> set[str]:
    """All tests of the scanner, by name."""
    paths = [*(TESTS / "scanner").rglob("*.py"), *(TESTS / "integration").glob("test_scan*.py")]
    return {name for path in paths for name in re.findall(r"def (test_\w+)", path.read_text())}


@pytest.mark.parametrize("number", SCENARIOS)
def test_the_test_of_a_scenario_is_there(number: int, names: set[str]) -> None:
    assert SCENARIOS[number] in names
