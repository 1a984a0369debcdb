/* names.h: the names of all switches (switches.c describes them) and counters (report.c). */
#ifndef SIM_NAMES_H
#define SIM_NAMES_H

/* clang-format off */
#define SWITCHES(X) \
    X(dead_device_error) X(set_readonly_error) X(unsupported_rate) X(start_at_time) \
    X(remove_dead_listener) X(device_elements) X(internal_selectors) X(guessed_settable) X(hog_error) \
    X(format_delay_ns) X(buffer_out_of_range) X(duplicate_io_proc) X(profile_delay_ns) X(wake_io) X(wake_delay_ns) \
    X(wake_start) X(wake_ids) X(consent_start) X(aggregate_delay_ns) X(aggregate_early) X(aggregate_cycles) \
    X(tap_delay_ns) X(tap_early) X(tap_added_later) X(tap_dead_process) X(tap_consent_set) X(stop_mode) \
    X(stop_extra_cycles) X(start_block_ns) X(first_callback_delay_ns) X(callbacks_never) \
    X(hang_holds_io_mutex) X(listener_thread) X(listener_addresses) X(listener_after_remove) \
    X(notify_delay_ns) X(notify_burst) X(notify_duplicates) X(notify_order) X(rate_delay_ns) \
    X(rate_pause_ns) X(rate_outcome) X(rate_batch) X(rate_partial_cycle) X(getter_lag_ns) \
    X(buffer_change) X(buffer_delay_ns) X(buffer_range_follows_rate) X(restart_sample_time) \
    X(host_time) X(empty_list) X(overload_output) X(overload_scope) X(spurious_overload) \
    X(first_cycle_frames) X(workgroup) X(cstring_ptr) X(fp_exceptions) X(guard_pages) X(ppm) \
    X(clock_jitter_ns) X(clock_wander_ppm) X(fork_action) X(deadlock_action) \
    X(stall_real_ms) X(auto_advance) X(capture_limit_frames) X(restart_listeners)
/* clang-format on */

/* clang-format off */
#define COUNTERS(X) \
    X(callbacks) X(late_callbacks) X(overloads) X(skipped_frames) X(rt_violations) \
    X(deadlocks) X(stalls) X(io_threads_started) X(input_opens) X(listener_calls) \
    X(notifications) X(rate_changes) X(buffer_changes) X(hal_calls) X(dropped_notifications) \
    X(live_io_procs) X(live_running_io_procs) X(live_listeners) X(live_cf_objects) \
    X(live_io_threads) X(live_workgroups) X(live_workgroup_joins) X(live_hogs) X(live_aggregates) \
    X(live_blocks) X(fault_destroyed_running) X(fault_dead_io_proc) X(fault_over_release) \
    X(fault_input_written) X(fault_buffer_overrun) X(fault_buffer_list_changed) \
    X(fault_workgroup) X(fault_fork) X(fault_bad_size) X(fault_null) \
    X(live_taps) X(live_end_point_devices) X(fault_tap_order) \
    X(fault_unregistered_stop) X(fault_message)
/* clang-format on */

#endif
