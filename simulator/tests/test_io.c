/* test_io.c: input and output of an IOProc, frame by frame, on each kind of device. */
#include "check.h"

#include <math.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef struct client {
    AudioObjectID device;
    AudioDeviceIOProcID proc;
    UInt32 serial;
    int64_t next_in, next_out, gaps;
    UInt64 last_host;
    uint64_t calls, frames;
    UInt32 least, most;
    bool had_input, had_output;
    uint64_t spend_ns;
} client;

static int64_t expected_time(double t) { return (int64_t)llround(t); }

/* Checks that each input sample has the expected value. Plays samples whose value encodes their
 * index, channel and stream. */
static OSStatus io(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    client *c = data;
    UInt32 frames = 0;
    EQUAL(device, c->device);
    EQUAL(now->mFlags, 7);
    CHECK(now->mHostTime > c->last_host, "host time went from %llu to %llu",
          (unsigned long long)c->last_host, (unsigned long long)now->mHostTime);
    c->last_host = now->mHostTime;
    for (UInt32 s = 0; in != NULL && s < in->mNumberBuffers; s++) {
        const AudioBuffer *b = &in->mBuffers[s];
        frames = b->mDataByteSize / 4 / b->mNumberChannels;
        int64_t first = expected_time(in_time->mSampleTime);
        for (UInt32 i = 0; b->mData != NULL && i < frames * b->mNumberChannels; i++) {
            UInt32 channel = i % b->mNumberChannels, frame = i / b->mNumberChannels;
            float got = ((const float *)b->mData)[i];
            float wanted = sim_encode(c->serial, s, channel, first + frame);
            CHECK(memcmp(&got, &wanted, 4) == 0, "stream %u channel %u frame %u", s, channel,
                  frame);
        }
        if (s == 0) {
            CHECK(!c->had_input || first >= c->next_in, "input went back from %lld to %lld",
                  (long long)c->next_in, (long long)first);
            c->gaps += c->had_input && first != c->next_in;
            c->next_in = first + frames;
            c->had_input = true;
        }
    }
    for (UInt32 s = 0; out != NULL && s < out->mNumberBuffers; s++) {
        AudioBuffer *b = &out->mBuffers[s];
        frames = b->mDataByteSize / 4 / b->mNumberChannels;
        int64_t first = expected_time(out_time->mSampleTime);
        for (UInt32 i = 0; b->mData != NULL && i < frames * b->mNumberChannels; i++) {
            float *sample = &((float *)b->mData)[i];
            CHECK(*sample == 0, "output stream %u sample %u is not zero on entry", s, i);
            *sample = sim_encode(9, s, i % b->mNumberChannels, first + i / b->mNumberChannels);
        }
        if (s == 0) {
            c->gaps += c->had_output && first != c->next_out;
            c->next_out = first + frames;
            c->had_output = true;
        }
    }
    c->least = c->calls == 0 || frames < c->least ? frames : c->least;
    c->most = frames > c->most ? frames : c->most;
    c->calls++;
    c->frames += frames;
    if (c->spend_ns > 0) {
        sim_spend_ns(c->spend_ns);
        c->spend_ns = 0;
    }
    return 0;
}

static client open_client(const char *uid) {
    client c = {.device = sim_find_device(uid)};
    c.serial = sim_device_serial(c.device);
    CHECK(c.device != 0, "no device %s", uid);
    return c;
}
static void start(client *c) {
    EQUAL(AudioDeviceCreateIOProcID(c->device, io, c, &c->proc), 0);
    EQUAL(AudioDeviceStart(c->device, c->proc), 0);
}
static void stop(client *c) {
    EQUAL(AudioDeviceStop(c->device, c->proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(c->device, c->proc), 0);
}

/* Checks that the capture contains exactly the samples that the IOProc wrote, at their positions.
 */
static void capture_is_what_was_played(AudioObjectID device, size_t run, uint64_t expected_gaps) {
    sim_run info;
    CHECK(sim_run_info(device, run, &info) == 0, "run %zu", run);
    float *samples = malloc((size_t)(info.frames + 1) * sizeof *samples);
    uint8_t *present = malloc((size_t)info.frames + 1);
    UInt32 streams = 0;
    AudioObjectID ids[16];
    UInt32 size = sizeof ids;
    EQUAL(get_data(device, kAudioDevicePropertyStreams, kAudioObjectPropertyScopeOutput, 0, ids,
                   &size),
          0);
    streams = size / 4;
    for (UInt32 s = 0; s < streams; s++) {
        AudioStreamBasicDescription f;
        size = sizeof f;
        EQUAL(get_data(ids[s], kAudioStreamPropertyVirtualFormat, kAudioObjectPropertyScopeGlobal,
                       0, &f, &size),
              0);
        for (UInt32 ch = 0; ch < f.mChannelsPerFrame; ch++) {
            size_t n =
                sim_capture_read(device, run, s, ch, 0, (size_t)info.frames, samples, present);
            EQUAL(n, info.frames);
            uint64_t gaps = 0;
            for (size_t i = 0; i < n; i++) {
                float wanted =
                    present[i]
                        ? sim_encode(9, s, ch, expected_time(info.first_sample_time) + (int64_t)i)
                        : 0;
                gaps += !present[i];
                CHECK(memcmp(&samples[i], &wanted, 4) == 0, "stream %u channel %u frame %zu of %zu",
                      s, ch, i, n);
            }
            EQUAL(gaps, expected_gaps);
        }
    }
    free(samples);
    free(present);
}

static void each_fixture(void) {
    static const struct {
        int fixture;
        const char *uid;
    } table[] = {{1, "BuiltInSpeakerDevice"}, {2, "BuiltInMicrophoneDevice"},
                 {3, "USBDuplex:1"},          {4, "MultiStream:2+2+8"},
                 {5, "MonoStreams:8"},        {7, "HDMI:1"},
                 {11, "VariableFrames"},      {15, "Twin:B"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        world_with(0, table[i].fixture);
        check_context = table[i].uid;
        client c = open_client(table[i].uid);
        start(&c);
        EQUAL(c.calls, 0);
        EQUAL(sim_advance_ns(SECOND), 0);
        double rate = get_f64(c.device, kAudioDevicePropertyNominalSampleRate,
                              kAudioObjectPropertyScopeGlobal);
        CHECK(fabs((double)c.frames - rate) < 2 * 600, "%llu frames in a second at %g",
              (unsigned long long)c.frames, rate);
        EQUAL(c.gaps, 0);
        stop(&c);
        if (c.had_output) {
            capture_is_what_was_played(c.device, 0, 0);
        }
        if (table[i].fixture == 11) {
            UInt32 most = get_u32(c.device, kAudioDevicePropertyUsesVariableBufferFrameSizes,
                                  kAudioObjectPropertyScopeGlobal);
            CHECK(c.least < 512 && c.most > 512 && c.most <= most, "frames %u to %u, said %u",
                  c.least, c.most, most);
        } else {
            EQUAL(c.least, 512);
            EQUAL(c.most, 512);
        }
        world_is_clean();
    }
    check_context = "";
}

/* Simulating one minute of a stereo device must take far less than a second. */
static void virtual_time_is_fast(void) {
    world_with(0, 1);
    client c = open_client("BuiltInSpeakerDevice");
    start(&c);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    EQUAL(sim_advance_ns(60 * SECOND), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double took =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    printf("60 s of virtual time, %llu cycles: %.3f s of CPU\n", (unsigned long long)c.calls, took);
    stop(&c);
    world_is_clean();
}

/* An output frame is heard at the host time of the output plus the latencies of device and stream.
 */
static void times_agree(void) {
    static const uint32_t bases[2][2] = {{1, 1}, {125, 3}};
    for (int i = 0; i < 2; i++) {
        sim_configure(0);
        sim_use_virtual_time();
        EQUAL(sim_set_timebase(bases[i][0], bases[i][1]), 0);
        sim_load_fixture(3);
        client c = open_client("USBDuplex:1");
        start(&c);
        EQUAL(sim_advance_ns(20 * SECOND), 0);
        AudioTimeStamp t = {0};
        EQUAL(AudioDeviceGetCurrentTime(c.device, &t), 0);
        AudioTimeStamp at = {.mSampleTime = t.mSampleTime + 480,
                             .mFlags = kAudioTimeStampSampleTimeValid};
        AudioTimeStamp host = {.mFlags =
                                   kAudioTimeStampHostTimeValid | kAudioTimeStampSampleTimeValid};
        EQUAL(AudioDeviceTranslateTime(c.device, &at, &host), 0);
        double ns = (double)AudioConvertHostTimeToNanos(host.mHostTime);
        double heard = (double)sim_emission_ns(c.device, 0, 0, at.mSampleTime);
        UInt32 latency =
            get_u32(c.device, kAudioDevicePropertyLatency, kAudioObjectPropertyScopeOutput) + 9;
        double wanted = ns + latency / 48000.0 * 1e9;
        CHECK(fabs(heard - wanted) < 3000, "heard %.0f ns from what the time stamp says",
              heard - wanted);
        double actual = get_f64(c.device, kAudioDevicePropertyActualSampleRate,
                                kAudioObjectPropertyScopeGlobal);
        CHECK(fabs(actual / 48000 - 1 - 37e-6) < 4e-6, "37 ppm, measured %.2f",
              (actual / 48000 - 1) * 1e6);
        EQUAL(mach_absolute_time(), sim_ticks_from_ns(sim_now_ns()));
        stop(&c);
        EQUAL(AudioDeviceGetCurrentTime(c.device, &t), kAudioHardwareNotRunningError);
        world_is_clean();
    }
}

/* With the loopback, output comes back as input after the latencies that the properties report. */
static int64_t loop_delay, loop_hits;
static OSStatus loop_io(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                        const AudioTimeStamp *in_time, AudioBufferList *out,
                        const AudioTimeStamp *out_time, void *data) {
    (void)device, (void)now, (void)data;
    const float *input = in->mBuffers[0].mData;
    float *output = out->mBuffers[0].mData;
    UInt32 frames = out->mBuffers[0].mDataByteSize / 8;
    for (UInt32 i = 0; i < frames; i++) {
        uint32_t channel, index;
        output[2 * i] = sim_encode(1, 0, 0, (int64_t)out_time->mSampleTime + i);
        output[2 * i + 1] = sim_encode(1, 0, 1, (int64_t)out_time->mSampleTime + i);
        if (sim_decode(input[2 * i + 1], NULL, NULL, &channel, &index)) {
            int64_t delay = (int64_t)in_time->mSampleTime + i - (int64_t)index;
            CHECK(channel == 1, "channel %u came back on 1", channel);
            CHECK(loop_hits == 0 || delay == loop_delay, "delay %lld then %lld",
                  (long long)loop_delay, (long long)delay);
            loop_delay = delay;
            loop_hits++;
        }
    }
    return 0;
}
static void loopback_has_the_latency_that_it_says(void) {
    world_with(0, 8);
    AudioObjectID device = sim_find_device("Loopback");
    AudioDeviceIOProcID proc;
    EQUAL(AudioDeviceCreateIOProcID(device, loop_io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    CHECK(loop_hits > 40000, "only %lld frames came back", (long long)loop_hits);
    EQUAL(loop_delay, 10 + 20 + 3 + 6);
    world_is_clean();
}

static void overloads(void) {
    for (int kept = 0; kept < 2; kept++) {
        world_with(0, 3);
        sim_set("overload_output", kept);
        client c = open_client("USBDuplex:1");
        start(&c);
        EQUAL(sim_advance_ns(100 * MS), 0);
        /* A cycle has 10.7 ms, so this callback is late and two cycles are lost. */
        c.spend_ns = 25 * MS;
        EQUAL(sim_advance_ns(100 * MS), 0);
        EQUAL(c.gaps, 2); /* one gap in each direction */
        EQUAL(sim_counter("late_callbacks"), 1);
        EQUAL(sim_counter("overloads"), 1);
        EQUAL(sim_counter("skipped_frames"), 2 * 512);
        EQUAL(sim_inject_overload(c.device, 3), 0);
        EQUAL(sim_advance_ns(100 * MS), 0);
        EQUAL(c.gaps, 4);
        EQUAL(sim_counter("skipped_frames"), 5 * 512);
        stop(&c);
        capture_is_what_was_played(c.device, 0, (uint64_t)(kept ? 5 : 6) * 512);
        world_is_clean();
    }
}

/* Checks the effects of the switches on times and buffer lists. The IO thread does not inherit
 * flush-to-zero. */
static int64_t wrong;
static OSStatus look(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                     const AudioTimeStamp *in_time, AudioBufferList *out,
                     const AudioTimeStamp *out_time, void *data) {
    (void)device, (void)out, (void)data;
    static const AudioTimeStamp zero;
    /* Without input streams, the input time is all zero. */
    wrong += memcmp(in_time, &zero, sizeof zero) != 0;
    wrong += (in == NULL) != (sim_get("empty_list") == 1);
    switch (sim_get("host_time")) {
    case 0:
        wrong += out_time->mFlags != 7 || out_time->mHostTime <= now->mHostTime;
        break;
    case 1:
        wrong += out_time->mFlags != 5 || out_time->mHostTime != 0;
        break;
    default:
        wrong += out_time->mFlags != 7 || out_time->mHostTime >= now->mHostTime;
    }
#if defined(__x86_64__)
    wrong += (_mm_getcsr() & 0x8040u) != 0;
    _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
    return 0;
}
static void times_and_lists(void) {
    for (int i = 0; i < 6; i++) {
        world_with(0, 1);
        sim_set("host_time", i % 3);
        sim_set("empty_list", i / 3);
        AudioObjectID device = sim_find_device("BuiltInSpeakerDevice");
        AudioDeviceIOProcID proc;
        wrong = 0;
        EQUAL(AudioDeviceCreateIOProcID(device, look, NULL, &proc), 0);
        EQUAL(AudioDeviceStart(device, proc), 0);
        EQUAL(sim_advance_ns(100 * MS), 0);
        EQUAL(AudioDeviceStop(device, proc), 0);
        EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
        EQUAL(wrong, 0);
        world_is_clean();
    }
}

/* An IOProc that writes to memory that it must not write to. */
static OSStatus vandal(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                       const AudioTimeStamp *in_time, AudioBufferList *out,
                       const AudioTimeStamp *out_time, void *data) {
    (void)device, (void)now, (void)in_time, (void)out_time, (void)data;
    ((float *)in->mBuffers[0].mData)[3] = 1;
    ((float *)out->mBuffers[0].mData)[out->mBuffers[0].mDataByteSize / 4] = 1;
    out->mBuffers[0].mDataByteSize = 1;
    return 0;
}
static void vandals_are_found(void) {
    world_with(0, 3);
    AudioObjectID device = sim_find_device("USBDuplex:1");
    AudioDeviceIOProcID proc;
    EQUAL(AudioDeviceCreateIOProcID(device, vandal, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    EQUAL(sim_counter("fault_input_written"), sim_counter("callbacks"));
    EQUAL(sim_counter("fault_buffer_overrun"), sim_counter("callbacks"));
    EQUAL(sim_counter("fault_buffer_list_changed"), sim_counter("callbacks"));
    CHECK(sim_check_clean() > 0, "clean");
    sim_reset();
}

static void start_at_a_time(void) {
    world_with(0, 3);
    client c = open_client("USBDuplex:1"), later = c;
    start(&c);
    EQUAL(sim_advance_ns(100 * MS), 0);
    EQUAL(AudioDeviceCreateIOProcID(c.device, io, &later, &later.proc), 0);
    AudioTimeStamp at = {.mSampleTime = 48000, .mFlags = kAudioTimeStampSampleTimeValid};
    EQUAL(AudioDeviceStartAtTime(c.device, later.proc, &at, 0), 0);
    EQUAL(sim_advance_ns(500 * MS), 0);
    EQUAL(later.calls, 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    CHECK(later.calls > 40 && later.calls < c.calls, "%llu calls", (unsigned long long)later.calls);
    stop(&later);
    stop(&c);
    world_is_clean();
}

static void guard_pages(void) {
    world_with(0, 4);
    sim_set("guard_pages", 1);
    client c = open_client("MultiStream:2+2+8");
    start(&c);
    EQUAL(sim_advance_ns(200 * MS), 0);
    stop(&c);
    capture_is_what_was_played(c.device, 0, 0);
    world_is_clean();
}

static void disabled_streams(void) {
    world_with(0, 4);
    client c = open_client("MultiStream:2+2+8");
    EQUAL(AudioDeviceCreateIOProcID(c.device, io, &c, &c.proc), 0);
    struct {
        AudioHardwareIOProcStreamUsage head;
        UInt32 more[2];
    } usage = {.head = {.mNumberStreams = 3}};
    memcpy(&usage.head.mIOProc, &c.proc, sizeof c.proc);
    AudioObjectPropertyAddress a = {kAudioDevicePropertyIOProcStreamUsage,
                                    kAudioObjectPropertyScopeInput, 0};
    EQUAL(AudioObjectSetPropertyData(c.device, &a, 0, NULL, 24, &usage), 0);
    usage.head.mStreamIsOn[0] = 99;
    UInt32 size = 24;
    EQUAL(AudioObjectGetPropertyData(c.device, &a, 0, NULL, &size, &usage), 0);
    EQUAL(usage.head.mStreamIsOn[0], 0);
    EQUAL(size, 24);
    EQUAL(AudioDeviceStart(c.device, c.proc), 0);
    EQUAL(sim_advance_ns(50 * MS), 0);
    EQUAL(sim_counter("input_opens"), 0);
    CHECK(c.calls > 2, "no callbacks");
    stop(&c);
    world_is_clean();
}

int main(void) {
    each_fixture();
    virtual_time_is_fast();
    times_agree();
    loopback_has_the_latency_that_it_says();
    overloads();
    guard_pages();
    times_and_lists();
    vandals_are_found();
    start_at_a_time();
    disabled_streams();
    return check_result("io");
}
