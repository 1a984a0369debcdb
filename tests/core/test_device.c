/* The virtual device with a stepped clock: loopback, faults, capture and clients. */
#include "bench.h"

/* With every layout and cycle length, a played frame comes back as input after exactly the declared
 * latency. */
static void the_loopback_takes_the_declared_latency(void) {
    static const struct {
        uint32_t length, frames[4];
    } patterns[] = {{0, {0}}, {3, {64, 1, 17}}, {4, {5, 64, 64, 33}}, {1, {64}}};
    static const uint32_t latencies[][2] = {{64, 0}, {0, 64}, {100, 77}, {64, 1000}};
    for (uint32_t layout = VC_LAYOUT_INTERLEAVED; layout <= VC_LAYOUT_SPLIT; layout++) {
        for (int p = 0; p < 4; p++) {
            for (int l = 0; l < 4; l++) {
                for (uint32_t block = 0; block <= 48; block += 48) {
                    vc_device_config config = stepped(2, 2);
                    config.layout = layout;
                    config.input_latency_frames = latencies[l][0];
                    config.output_latency_frames = latencies[l][1];
                    config.pattern_length = patterns[p].length;
                    memcpy(config.pattern, patterns[p].frames, sizeof patterns[p].frames);
                    vc_device *device = vc_device_new(&config);
                    client *c = client_make(device, 2, 2, block);
                    client_attach(c);
                    step(device, 60);
                    client_detach(c);
                    int64_t trip = latencies[l][0] + latencies[l][1];
                    int64_t delay =
                        block; /* one block more if duplex blocks do not fit the cycles */
                    bool good = CHECK(c->seen > trip + delay + 100);
                    for (int64_t f = 0; f < c->seen; f++) {
                        for (uint32_t ch = 0; ch < 2; ch++) {
                            int64_t sent = f - trip - delay;
                            float wanted = sent < 0 ? 0.0f : code(sent, ch);
                            good &= check_that(c->input[f * 2 + ch] == wanted, __FILE__, __LINE__,
                                               "input %lld.%u: %g, not %g", (long long)f, ch,
                                               (double)c->input[f * 2 + ch], (double)wanted);
                        }
                    }
                    if (!good) {
                        printf("  ... layout %u, pattern %d, latency %d, block %u\n", layout, p, l,
                               block);
                    }
                    CHECK_INT(client_statistics(c).xruns, 0);
                    CHECK_INT(client_statistics(c).nonfinite_samples, 0);
                    client_free(c);
                    vc_device_free(device);
                }
            }
        }
    }
}

/* The output time and the input time of a frame in the loopback are equal. */
static void times_agree_with_the_loopback(void) {
    vc_device_config config = stepped(1, 1);
    vc_device *device = vc_device_new(&config);
    client *c = client_make(device, 1, 1, 0);
    client_attach(c);
    step(device, 10);
    CHECK_INT(c->block.output_time.sample_frames, 9 * 64 + 100);
    CHECK_INT(c->block.input_time.sample_frames, 9 * 64 - 77);
    CHECK_INT(c->block.now.sample_frames, 9 * 64);
    CHECK_INT(c->block.output_time.host_ns - c->block.input_time.host_ns, 177 * 1000000 / 48);
    CHECK_INT(vc_device_frame(device), 640);
    CHECK_INT(vc_device_clock_ns(device), 1000000000 + 640 * 1000000 / 48);
    client_detach(c);
    client_free(c);
    vc_device_free(device);
}

static void channels_go_where_the_map_says(void) {
    for (uint32_t layout = VC_LAYOUT_INTERLEAVED; layout <= VC_LAYOUT_SPLIT; layout++) {
        vc_device_config config = stepped(6, 4); /* inputs 4 and 5 are not connected to an output */
        config.layout = layout;
        vc_device *device = vc_device_new(&config);
        client *c = client_make(device, 3, 2, 0);
        static const uint32_t input_map[] = {1, 5, 3}, output_map[] = {3, 1};
        CHECK(vc_device_attach(device, c->engine, input_map, 3, output_map, 2));
        vc_engine_start(c->engine);
        step(device, 20);
        client_detach(c);
        for (int64_t f = 177; f < c->seen; f++) {
            CHECK(c->input[f * 3] == code(f - 177, 1));
            CHECK(c->input[f * 3 + 1] == 0.0f);
            CHECK(c->input[f * 3 + 2] == code(f - 177, 0));
        }
        client_free(c);
        vc_device_free(device);
    }
}

/* ---- faults ------------------------------------------------------------------------------------
 */

static void inject(vc_device *device, vc_fault_kind kind, int64_t at_frame, int64_t value) {
    vc_fault fault = {.at_frame = at_frame, .value = value, .kind = kind};
    CHECK(vc_device_inject(device, &fault));
}

static void a_late_cycle(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    client *c = client_make(device, 0, 1, 0);
    client_attach(c);
    step(device, 2);
    inject(device, VC_FAULT_LATE, 128, 5000000);
    step(device, 1);
    vc_statistics s = client_statistics(c);
    CHECK_INT(s.late_cycles, 1);
    CHECK_INT(s.busy_max_ns, 5000000);
    CHECK_INT(vc_device_clock_ns(device), 1000000000 + 192 * 1000000 / 48);
    step(device, 3);
    CHECK_INT(client_statistics(c).late_cycles, 1);
    client_detach(c);
    client_free(c);
    vc_device_free(device);
}

/* If another thread reads the clock during a late cycle, the cycle does not get later. */
static void reading_the_clock_changes_nothing(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    client *c = client_make(device, 0, 1, 0);
    client_attach(c);
    inject(device, VC_FAULT_LATE, 64, 5000000);
    step(device, 1);
    c->look_from_elsewhere = true;
    step(device, 1);
    CHECK_INT(c->clock_elsewhere, 1000000000 + 64 * 1000000 / 48);
    CHECK_INT(client_statistics(c).late_cycles, 1);
    client_detach(c);
    client_free(c);
    vc_device_free(device);
}

static void frames_are_lost(void) {
    static const uint32_t lost[] = {1, 64, 100, 10000};
    for (int i = 0; i < 4; i++) {
        vc_device_config config = stepped(1, 1);
        vc_device *device = vc_device_new(&config);
        client *c = client_make(device, 1, 1, 0);
        client_attach(c);
        inject(device, VC_FAULT_XRUN, 640, lost[i]);
        step(device, 10);
        CHECK_INT(client_statistics(c).xruns, 0);
        step(device, 200);
        CHECK_INT(client_statistics(c).xruns, 1);
        CHECK_INT(client_statistics(c).lost_frames, lost[i]);
        CHECK_INT(vc_device_lost_frames(device), lost[i]);
        CHECK_INT(vc_device_frame(device), 210 * 64 + lost[i]);
        client_detach(c);
        /* The loopback plays lost frames as silence, and the input loses the same number of frames.
         */
        for (int64_t f = 0; f < c->seen; f++) {
            int64_t device_frame = f - 77 + (f >= 640 ? lost[i] : 0);
            int64_t sent = device_frame - 100;
            bool gap = sent >= 640 && sent < 640 + (int64_t)lost[i];
            sent -= sent >= 640 ? lost[i] : 0;
            float wanted = sent < 0 || gap ? 0.0f : code(sent, 0);
            check_that(c->input[f] == wanted, __FILE__, __LINE__, "%u lost, input %lld: %g, not %g",
                       lost[i], (long long)f, (double)c->input[f], (double)wanted);
        }
        client_free(c);
        vc_device_free(device);
    }
}

static void unplugged_and_another_rate(void) {
    static const vc_fault_kind kinds[] = {VC_FAULT_UNPLUG, VC_FAULT_RATE};
    static const vc_device_condition conditions[] = {VC_DEVICE_UNPLUGGED, VC_DEVICE_RATE_CHANGED};
    for (int i = 0; i < 2; i++) {
        vc_device_config config = stepped(0, 1);
        vc_device *device = vc_device_new(&config);
        client *c = client_make(device, 0, 1, 0);
        client_attach(c);
        inject(device, kinds[i], 64 * 5, 44100);
        CHECK(vc_device_step(device, 100, SECOND)); /* returns without running these cycles */
        CHECK_INT(vc_device_get_condition(device), conditions[i]);
        CHECK_INT(client_statistics(c).cycles, 5);
        CHECK(vc_device_step(device, 1, SECOND));
        CHECK_INT(client_statistics(c).cycles, 5);
        client_detach(c);
        client_free(c);
        vc_device_free(device);
    }
}

static void eight_faults_wait(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    for (int i = 0; i < 8; i++) {
        inject(device, VC_FAULT_XRUN, 64 * i, 10);
    }
    vc_fault fault = {.kind = VC_FAULT_XRUN};
    CHECK(!vc_device_inject(device, &fault));
    client *c = client_make(device, 0, 1, 0);
    client_attach(c);
    step(device, 10);
    CHECK_INT(vc_device_lost_frames(device), 80);
    client_detach(c);
    client_free(c);
    vc_device_free(device);
}

/* ---- clients -----------------------------------------------------------------------------------
 */

static void many_clients_are_mixed(void) {
    vc_device_config config = stepped(1, 1);
    vc_device *device = vc_device_new(&config);
    client *all[VC_DEVICE_CLIENTS];
    for (int i = 0; i < VC_DEVICE_CLIENTS; i++) {
        all[i] = client_make(device, 1, 1, 0);
        client_attach(all[i]);
    }
    client *extra = client_make(device, 1, 1, 0);
    uint32_t map = 0;
    CHECK(!vc_device_attach(device, extra->engine, &map, 1, &map, 1));
    step(device, 10);
    for (int i = 0; i < VC_DEVICE_CLIENTS; i += 2) {
        client_detach(all[i]); /* detaches one client while the others continue */
        step(device, 1);
    }
    client *last = all[VC_DEVICE_CLIENTS - 1];
    CHECK_INT(last->seen, (10 + VC_DEVICE_CLIENTS / 2) * 64);
    for (int64_t f = 177; f < 500; f++) {
        CHECK(last->input[f] == VC_DEVICE_CLIENTS * code(f - 177, 0));
    }
    client_attach(extra); /* there is room again */
    step(device, 3);
    CHECK_INT(extra->seen, 3 * 64);
    client_detach(extra);
    for (int i = 1; i < VC_DEVICE_CLIENTS; i += 2) {
        client_detach(all[i]);
    }
    for (int i = 0; i < VC_DEVICE_CLIENTS; i++) {
        client_free(all[i]);
    }
    client_free(extra);
    vc_device_free(device);
}

static void the_time_line_continues_where_it_stopped(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    client *c = client_make(device, 0, 1, 0);
    for (int64_t life = 0; life < 5; life++) {
        client_attach(c);
        step(device, 3);
        CHECK_INT(c->block.now.sample_frames, life * 192 + 128);
        client_detach(c);
    }
    CHECK_INT(client_statistics(c).xruns, 0);
    client_free(c);
    vc_device_free(device);
}

static void a_step_without_a_client_runs_no_cycle(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    CHECK(!vc_device_step(device, 1, 1000000));
    client *c = client_make(device, 0, 1, 0);
    client_attach(c);
    step(device, 2); /* the refused cycle is not run later */
    CHECK_INT(client_statistics(c).cycles, 2);
    client_detach(c);
    client_free(c);
    vc_device_free(device);
}

static void detaching_an_engine_that_is_not_attached_does_nothing(void) {
    vc_device_config config = stepped(0, 1);
    vc_device *device = vc_device_new(&config);
    client *c = client_make(device, 0, 1, 0);
    CHECK(vc_device_detach(device, c->engine, INT64_MAX));
    client_free(c);
    vc_device_free(device);
}

/* After detach has returned, no cycle uses the engine. Otherwise AddressSanitizer would find the
 * use of a freed engine, or ThreadSanitizer would find a data race. */
static void after_a_detach_an_engine_may_be_freed(void) {
    vc_device_config config = stepped(1, 1);
    config.clock = VC_CLOCK_FREE;
    vc_device *device = vc_device_new(&config);
    client *other = client_make(device, 1, 1, 0);
    client_attach(other); /* keeps the IO thread running */
    for (int i = 0; i < 300; i++) {
        client *c = client_make(device, 1, 1, (uint32_t)(i % 3) * 40);
        client_attach(c);
        while (i % 2 && client_statistics(c).cycles < 3) {
        }
        CHECK(vc_device_detach(device, c->engine, i % 5 ? 10 * SECOND : INT64_MAX));
        client_free(c);
    }
    client_detach(other);
    client_free(other);
    vc_device_free(device);
}

static void a_detach_after_its_deadline_changes_nothing(void) {
    vc_device_config config = stepped(0, 1);
    config.clock = VC_CLOCK_FREE;
    vc_device *device = vc_device_new(&config);
    client *c = client_make(device, 0, 1, 0);
    atomic_store(&c->hold, true);
    client_attach(c);
    while (!atomic_load(&c->held)) {
    }
    CHECK(!vc_device_detach(device, c->engine, 1000000));
    atomic_store(&c->hold, false);
    while (client_statistics(c).cycles < 10) { /* the client is still attached */
    }
    client_detach(c);
    client_free(c);
    vc_device_free(device);
}

static void a_client_leaves_while_the_cycle_of_another_one_does_not_end(void) {
    vc_device_config config = stepped(0, 1);
    config.clock = VC_CLOCK_FREE;
    vc_device *device = vc_device_new(&config);
    client *stuck = client_make(device, 0, 1, 0), *leaving = client_make(device, 0, 1, 0);
    client_attach(leaving);
    atomic_store(&stuck->hold, true);
    client_attach(stuck);
    while (!atomic_load(&stuck->held)) {
    }
    CHECK(!vc_device_quiet(device, stuck->engine, 1000000));
    CHECK(vc_device_quiet(device, leaving->engine, 1000000));
    client *joining = client_make(device, 0, 1, 0);
    client_attach(joining); /* does not get the memory of `leaving`, which is not detached yet */
    CHECK(vc_device_detach(device, leaving->engine, 1000000));
    client_free(leaving);
    atomic_store(&stuck->hold, false);
    while (client_statistics(joining).cycles < 3) {
    }
    client_detach(joining);
    client_free(joining);
    client_detach(stuck);
    client_free(stuck);
    vc_device_free(device);
}

int main(void) {
    RUN(the_loopback_takes_the_declared_latency);
    RUN(times_agree_with_the_loopback);
    RUN(channels_go_where_the_map_says);
    RUN(a_late_cycle);
    RUN(reading_the_clock_changes_nothing);
    RUN(frames_are_lost);
    RUN(unplugged_and_another_rate);
    RUN(eight_faults_wait);
    RUN(many_clients_are_mixed);
    RUN(the_time_line_continues_where_it_stopped);
    RUN(a_step_without_a_client_runs_no_cycle);
    RUN(detaching_an_engine_that_is_not_attached_does_nothing);
    RUN(after_a_detach_an_engine_may_be_freed);
    RUN(a_detach_after_its_deadline_changes_nothing);
    RUN(a_client_leaves_while_the_cycle_of_another_one_does_not_end);
    return check_summary();
}
