"""What goes wrong inside: in the stores (S), in the process (P), and with time and keys (T)."""

from __future__ import annotations

from tests.faults.row import Row

BREAKERS = "faults/test_breakers.py::test_"
CLIENTS = "faults/test_clients.py::test_"

INSIDE = (
    Row(
        "S1",
        "PostgreSQL is away",
        "known keys are served for ten minutes, an unknown one is told 503 and never 401",
        (
            "faults/test_postgres_away.py::test_a_known_key_is_served_and_an_unknown_one_is_told_503_and_never_401",
            "unit/test_keys.py::test_the_ways_to_fail_help_in_their_own_way",
        ),
    ),
    Row(
        "S2",
        "PostgreSQL stands still",
        "nobody waits for it longer than 250 ms, and soon nobody does",
        ("faults/test_postgres_away.py::test_a_known_key_is_served_and_an_unknown_one_is_told_503_and_never_401",),
    ),
    Row(
        "S3",
        "PostgreSQL fails over: every connection dies",
        "no client notices, no row is lost or doubled",
        (
            "faults/test_failover.py::test_connections_that_die_again_and_again_are_nobodys_error",
            "ledger/test_bad_days.py::test_connections_that_die_in_the_middle_of_a_batch_double_nothing",
        ),
    ),
    Row(
        "S4",
        "the ledger cannot be written",
        "rows wait on disk, each is written once; where there is no room nothing new begins",
        (
            "faults/test_ledger_away.py::test_no_client_notices_and_no_row_is_lost_or_doubled",
            "ledger/test_bad_days.py::test_what_a_worker_had_kept_when_it_was_killed_is_recorded_by_the_next",
            "ledger/test_bad_disks.py::test_a_journal_over_its_limit_takes_no_new_work_until_it_is_drained",
        ),
    ),
    Row(
        "S5",
        "Valkey is away",
        "each worker counts for its share, and says so",
        ("faults/test_limits.py::test_valkey_dies_and_each_worker_allows_its_share_at_once_and_says_so",),
    ),
    Row(
        "S6",
        "Valkey is slow",
        "nobody waits longer than 50 ms; after five such waits nobody waits",
        (
            "faults/test_valkey.py::test_slow_is_treated_as_down_and_nobody_waits_longer_than_the_deadline",
            "unit/test_breaker.py::test_five_failures_open_the_breaker_and_no_request_is_sent_to_find_out",
        ),
    ),
    Row(
        "S7",
        "Valkey has forgotten everything",
        "what was spent comes back from the ledger, what runs is leased anew",
        (
            "faults/test_limits_lost.py::test_what_was_spent_is_taken_from_the_ledger_before_anybody_is_let_in",
            "faults/test_limits_lost.py::test_leases_that_were_lost_are_made_again_and_every_request_is_counted_once",
        ),
    ),
    Row(
        "S8",
        "two requests want the last cent",
        "one script decides; a budget is passed by one request at most",
        (
            "property/test_limits.py::test_any_interleaving_keeps_every_limit",
            "property/test_limits.py::test_a_budget_is_exceeded_by_no_more_than_is_documented",
        ),
    ),
    Row(
        "S9",
        "Qdrant is away or slow",
        "a search is over after 150 ms",
        (
            "unit/test_vectors_away.py::test_a_search_is_over_after_150_ms_and_a_slow_store_is_left_alone",
            "unit/test_vectors_away.py::test_it_heals_when_the_engine_comes_back_and_nothing_is_lost",
        ),
    ),
    Row(
        "S10",
        "the disk is full",
        "nothing new begins, nothing that was done is lost",
        ("ledger/test_bad_disks.py::test_a_full_disk_takes_no_new_work_and_loses_none",),
    ),
    Row(
        "S11",
        "a row of the audit trail was changed",
        "the first such row is named",
        ("tenancy/test_audit_chain.py::test_what_was_changed_is_found",),
    ),
    Row(
        "P1",
        "SIGTERM under streams",
        "not ready any more, streams finish, what is left is told in band; the next gateway goes on",
        (
            "faults/test_shutdown.py::test_sigterm_lets_a_stream_finish_and_takes_no_new_work",
            "faults/test_shutdown.py::test_sigterm_ends_what_is_left_in_band",
            "faults/test_takeover.py::test_a_deploy_loses_no_stream_and_no_request",
        ),
    ),
    Row(
        "P2",
        "kill -9",
        "leases end by themselves, what was kept is recorded once by the next",
        (
            "ledger/test_bad_days.py::test_what_a_worker_had_kept_when_it_was_killed_is_recorded_by_the_next",
            "faults/test_limits.py::test_what_a_worker_holds_that_is_killed_comes_back",
            "faults/test_pacer.py::test_the_places_of_a_worker_that_was_killed_come_back",
        ),
    ),
    Row(
        "P3",
        "the loop stands still",
        "seen in a metric; a worker that stays late takes nothing new until it has caught up",
        (f"{CLIENTS}a_worker_that_cannot_keep_up_says_so",),
    ),
    Row(
        "P4",
        "memory grows",
        "it does not: `make soak` fails where it does beyond doubt",
        ("faults/test_soak.py::test_a_slope_is_found_and_noise_is_not",),
    ),
    Row(
        "P5",
        "connections are closed while they are used",
        "only what rests is closed",
        (
            "unit/test_wire_connections.py::test_a_connection_that_rested_too_long_is_not_used_again",
            "unit/test_wire_connections.py::test_requests_at_the_same_time_do_not_share_a_connection",
        ),
    ),
    Row(
        "P6",
        "a document that cannot be used",
        "a start is refused, an edit is not taken, and both say where",
        (
            "unit/test_watcher.py::test_a_bad_edit_keeps_the_last_good_documents_and_says_so",
            "unit/test_watcher.py::test_a_start_with_bad_documents_is_refused",
        ),
    ),
    Row(
        "P7",
        "a start while stores are away",
        "it starts, is not ready, and heals",
        ("faults/test_postgres_away.py::test_a_gateway_that_starts_first_is_not_ready_and_heals_by_itself",),
    ),
    Row(
        "P8",
        "a store goes away under a running gateway",
        "it stays ready as long as it can serve",
        ("faults/test_postgres_away.py::test_a_known_key_is_served_and_an_unknown_one_is_told_503_and_never_401",),
    ),
    Row(
        "T1",
        "the clock on the wall jumps",
        "no deadline moves; limits begin anew at worst",
        (
            "unit/test_deadline.py::test_the_clock_on_the_wall_does_not_matter",
            "faults/test_limits_lost.py::test_a_clock_that_jumps_forward_lets_each_limit_begin_anew_and_no_more",
            "faults/test_limits_lost.py::test_a_clock_that_jumps_back_neither_frees_nor_holds_anything_for_an_hour",
        ),
    ),
    Row(
        "T2",
        "the master key is rotated",
        "every secret opens at every moment",
        ("unit/test_rotation.py::test_nobody_fails_to_open_a_key_while_they_are_rotated",),
    ),
    Row(
        "T3",
        "a provider's key is changed while it is used",
        "what runs finishes, the next request has the new one",
        (f"{BREAKERS}a_key_that_is_changed_is_the_next_requests_and_what_runs_finishes",),
    ),
    Row(
        "T4",
        "a key is revoked",
        "refused everywhere within two seconds",
        ("unit/test_keys.py::test_a_revoked_key_is_refused_within_two_seconds_by_every_worker",),
    ),
)
