"""What goes wrong outside: at a provider (U), and at the client (C)."""

from __future__ import annotations

from tests.faults.row import Row

UPSTREAM = "faults/test_upstream.py::test_"
CANDIDATES = "unit/test_fallback.py::test_the_next_is_asked_only_while_nothing_has_come"
BEFORE = f"{UPSTREAM}a_failure_before_the_first_event_is_a_status"
CUT = f"{UPSTREAM}a_cut_stream_is_never_a_stop"
MOVES = "unit/test_fallback_moves.py::test_"
BILLED = "ledger/test_billing.py::test_an_attempt_is_billed_for_what_happened"
BREAKERS = "faults/test_breakers.py::test_"
TWINS = "faults/test_twins.py::test_"
CLIENTS = "faults/test_clients.py::test_"

OUTSIDE = (
    Row(
        "U1",
        "nobody listens, the name does not resolve, the certificate does not hold",
        "the next candidate at once; after three in a row the model rests",
        (
            f"{UPSTREAM}a_provider_that_is_not_there_is_a_502_at_once",
            "unit/test_egress.py::test_a_name_that_does_not_resolve_is_an_unreachable_provider",
            "unit/test_wire_tls.py::test_a_provider_is_believed_by_its_certificate",
            CANDIDATES,
        ),
    ),
    Row("U2", "the connection ends before a byte came", "the next candidate, and a price for it", (CANDIDATES, BILLED)),
    Row("U3", "the connection is reset inside a stream", "told in band, no [DONE], recorded as cut", (CUT, BILLED)),
    Row("U4", "nothing comes", "given up at the first event's deadline, then the next candidate", (BEFORE, CANDIDATES)),
    Row("U5", "nothing more comes", "given up when the idle time is over, told in band", (CUT,)),
    Row(
        "U6",
        "bytes drip and no event is ever whole",
        "a wait ends with an event and not with a byte",
        (CUT, "unit/test_wire_deadlines.py::test_a_head_that_drips_is_not_waited_for"),
    ),
    Row(
        "U7",
        "429, with any Retry-After",
        "rests for as long as it says, a minute at most; the next candidate; else the smallest wait is told",
        (
            f"{UPSTREAM}a_rate_limit_says_when_to_come_back",
            "unit/test_fallback.py::test_the_smallest_wait_is_told_when_all_are_busy",
            "conformance/test_routing_live.py::test_a_rate_limit_moves_on_and_is_heeded_by_the_next_request",
        ),
    ),
    Row(
        "U8",
        "500, 502, 503, 504, 529",
        "the next candidate while the budget for retries lasts; the same provider after a random pause",
        (
            CANDIDATES,
            f"{MOVES}no_more_than_a_fifth_of_the_requests_is_tried_again",
            f"{MOVES}when_the_budget_is_spent_a_failure_is_told_as_it_is",
            f"{MOVES}a_pause_is_anything_up_to_a_limit_that_doubles",
            f"{BREAKERS}when_everything_fails_calls_stay_within_a_fifth_more_than_requests",
        ),
    ),
    Row(
        "U9",
        "400, 404, 422",
        "told at once; what is too long or forbidden moves on where the policy says so",
        (CANDIDATES, f"{MOVES}a_refusal_moves_on_only_where_the_policy_says_so"),
    ),
    Row(
        "U10",
        "our key is refused",
        "announced, left alone with all its models, probed by one request; never a 401 to the client",
        (
            f"{BREAKERS}a_key_that_is_refused_is_announced_everywhere_and_the_client_is_served",
            f"{BREAKERS}one_request_probes_and_all_are_back",
            f"{MOVES}a_prompt_that_a_moderator_forbids_does_not_lock_the_key_away",
        ),
    ),
    Row("U11", "an error inside a 200", "before the first word as its code, after it in band", (BEFORE, CUT)),
    Row("U12", "an event that is not JSON", "never passed over", (CUT,)),
    Row(
        "U13",
        "events and characters cut anywhere",
        "the same events",
        ("property/test_sse_splits.py::test_any_way_of_cutting_gives_the_events_of_the_standard",),
    ),
    Row("U14", "bytes that are not UTF-8", "told in band", (CUT,)),
    Row(
        "U15",
        "raw line separators of Unicode inside text",
        "kept",
        ("conformance/test_reply_shape.py::test_line_separators_inside_text_survive",),
    ),
    Row(
        "U16",
        "an event or a body without end",
        "an event has 1 MiB, a body 32 MiB",
        (
            CUT,
            "property/test_sse_splits.py::test_the_limit_is_one_mebibyte",
            "unit/test_wire_bodies.py::test_a_body_over_32_mib_is_broken_and_cut",
        ),
    ),
    Row("U17", "a page of HTML with a 200", "a 502 or the next candidate", (BEFORE, CANDIDATES)),
    Row(
        "U18",
        "a whole answer that is cut",
        "a 502 or the next candidate",
        (f"{UPSTREAM}a_cut_answer_without_a_stream_is_a_status",),
    ),
    Row(
        "U19",
        "no terminal event after a finish reason",
        "taken as whole, and counted",
        (
            f"{UPSTREAM}a_finished_answer_without_its_terminal_event_is_whole",
            f"{BREAKERS}what_is_forgiven_is_counted",
        ),
    ),
    Row("U20", "neither terminal event nor finish reason", "told in band", (CUT,)),
    Row("U21", "words after the end", "not heard", (f"{UPSTREAM}nothing_is_heard_after_the_end",)),
    Row("U22", "a body in an encoding that was not asked for", "refused unread", (BEFORE,)),
    Row("U23", "a redirect", "not followed", (BEFORE,)),
    Row(
        "U24",
        "no count of tokens, or an absurd one",
        "counted here, and said to be an estimate",
        (f"{UPSTREAM}a_provider_that_cannot_count_is_not_believed", f"{BREAKERS}what_is_forgiven_is_counted"),
    ),
    Row(
        "U25",
        "another model answers, more choices come, arguments are not JSON",
        "passed on as they are; another model is counted",
        (
            "conformance/test_reply_shape.py::test_choices_other_than_the_first_are_kept_apart",
            "conformance/test_reply_shape.py::test_argument_bytes_arrive_as_the_model_wrote_them",
            f"{BREAKERS}what_is_forgiven_is_counted",
        ),
    ),
    Row(
        "U26",
        "the provider's error has our key in it",
        "its words go nowhere",
        (
            BEFORE,
            "unit/test_log.py::test_no_error_path_takes_a_secret_or_a_prompt_into_the_log",
            "unit/test_errors.py::test_the_provider_is_for_the_log_and_not_for_the_client",
        ),
    ),
    Row(
        "C1",
        "the client leaves: before the first word, in a stream, without a stream",
        "the provider is cut within 100 ms, and what had come is billed",
        (
            "conformance/test_leaving.py::test_closing_a_stream_closes_the_provider_at_once",
            "conformance/test_leaving.py::test_cancelling_a_plain_call_closes_the_provider_at_once",
            "ledger/test_billing.py::test_who_leaves_is_billed_for_what_had_come",
            "ledger/test_billing.py::test_who_leaves_before_the_first_word_is_billed_for_the_prompt",
        ),
    ),
    Row(
        "C2",
        "the client does not read",
        "the provider is held back, memory stays, and after a minute of it the client is cut",
        (
            f"{CLIENTS}a_client_that_does_not_read_costs_no_memory_and_holds_the_provider_back",
            f"{CLIENTS}a_client_that_never_reads_is_cut",
        ),
    ),
    Row(
        "C3",
        "a body that is too large or does not come",
        "413, 408",
        (
            "conformance/test_bad_input.py::test_a_body_that_grows_too_large_is_refused",
            "conformance/test_bad_input.py::test_a_body_that_dawdles_is_a_408",
        ),
    ),
    Row(
        "C4",
        "JSON that is deep, long, or strange",
        "400 with the path",
        (
            "conformance/test_bad_input.py::test_a_body_that_is_not_a_request_is_a_400",
            "conformance/test_bad_input.py::test_what_is_wrong_is_named_by_its_path",
            "property/test_intake_never_fails.py::test_any_bytes_are_a_chat_request_or_the_callers_mistake",
        ),
    ),
    Row(
        "C5",
        "bytes that are no UTF-8, half characters, NUL",
        "400, never 500",
        ("property/test_intake_never_fails.py::test_any_bytes_are_a_chat_request_or_the_callers_mistake",),
    ),
    Row(
        "C6",
        "HTTP that means two things",
        "400, and a route is never found by what a header says",
        (f"{CLIENTS}http_that_means_two_things_is_refused",),
    ),
    Row(
        "C7",
        "a forged X-Forwarded-For",
        "nobody looks at it: limits are the key's",
        (f"{CLIENTS}a_forged_address_gains_nothing",),
    ),
    Row(
        "C8",
        "a field that would choose a host or a credential",
        "400; other unknown fields travel",
        (
            "conformance/test_request_fields.py::test_no_field_chooses_a_host_or_a_credential",
            "conformance/test_request_fields.py::test_a_field_that_nobody_knows_yet_travels",
        ),
    ),
    Row(
        "C9",
        "the same request twice",
        "with an Idempotency-Key: one call, the same answer; 409 while it runs, 422 for another request",
        (
            f"{TWINS}the_same_request_is_answered_once_and_told_twice",
            f"{TWINS}a_twin_that_comes_meanwhile_is_told_to_come_back",
            f"{TWINS}the_same_key_for_another_request_is_refused",
            f"{TWINS}what_the_provider_may_have_done_is_not_done_again",
            f"{TWINS}who_leaves_has_not_been_answered",
        ),
    ),
    Row(
        "C10",
        "a bomb for the tokenizer",
        "estimated first, counted in another process",
        (
            "unit/test_tokenizer.py::test_a_megabyte_of_one_letter_is_counted_and_the_loop_goes_on",
            "unit/test_tokenizer.py::test_what_looks_like_a_special_token_is_text",
        ),
    ),
    Row(
        "C11",
        "the one who began a shared call leaves",
        "the others hear the rest, and one of them pays; the last one's leaving ends it",
        (
            "faults/test_coalescing.py::test_when_the_first_leaves_the_others_hear_the_rest_and_one_of_them_pays",
            "faults/test_coalescing.py::test_when_the_last_leaves_the_call_ends",
            "faults/test_coalescing_elsewhere.py::test_when_the_last_leaves_on_the_other_machine_the_call_ends",
        ),
    ),
    Row(
        "C12",
        "hundreds of connections that say nothing, or half a head",
        "others are served; who is too much is told 503 with a wait",
        (
            f"{CLIENTS}connections_that_say_nothing_are_in_nobodys_way",
            f"{CLIENTS}a_worker_that_cannot_keep_up_says_so",
        ),
    ),
)
