/* test_seeds.c: with every seed, a correct client gets no lost, repeated or invented frame, except
 * in gaps that the HAL has reported. The same seed always gives the same run.
 *
 *   test_seeds [first seed [count]] */
#include "check.h"

#include <math.h>

enum { MAX_RUNS = 64 };
static struct client {
    AudioObjectID device;
    UInt32 serial;
    AudioDeviceIOProcID proc;
    int64_t run, run_base; /* index of the current run; IO threads before the first */
    int64_t next_in, next_out, gaps[MAX_RUNS];
    bool had_in, had_out;
    double rate;
    UInt64 last_host;
    uint64_t spend_ns, trace;
    int heard;
} c;

static uint64_t mix(uint64_t a, uint64_t b) {
    a = (a ^ b) * 0xff51afd7ed558ccdu;
    return a ^ (a >> 32);
}

static OSStatus io(AudioObjectID device, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)device, (void)data;
    int64_t run = sim_counter("io_threads_started") - c.run_base - 1;
    if (run != c.run) {
        c.run = run;
        c.had_in = c.had_out = false;
    }
    CHECK(now->mHostTime > c.last_host, "host time went back");
    c.last_host = now->mHostTime;
    UInt32 frames = 0;
    for (UInt32 s = 0; in != NULL && s < in->mNumberBuffers; s++) {
        const AudioBuffer *b = &in->mBuffers[s];
        UInt32 n = b->mDataByteSize / 4 / b->mNumberChannels;
        int64_t first = (int64_t)in_time->mSampleTime;
        for (UInt32 i = 0; i < n * b->mNumberChannels; i++) {
            float wanted =
                sim_encode(c.serial, s, i % b->mNumberChannels, first + i / b->mNumberChannels);
            CHECK(memcmp((const float *)b->mData + i, &wanted, 4) == 0, "input stream %u sample %u",
                  s, i);
        }
        CHECK(s > 0 || !c.had_in || first >= c.next_in, "input again: %lld before %lld",
              (long long)first, (long long)c.next_in);
        c.next_in = first + n;
        frames = n;
    }
    c.had_in = in != NULL && in->mNumberBuffers > 0;
    for (UInt32 s = 0; out != NULL && s < out->mNumberBuffers; s++) {
        AudioBuffer *b = &out->mBuffers[s];
        UInt32 n = b->mDataByteSize / 4 / b->mNumberChannels;
        int64_t first = (int64_t)out_time->mSampleTime;
        for (UInt32 i = 0; i < n * b->mNumberChannels; i++) {
            ((float *)b->mData)[i] =
                sim_encode(9, s, i % b->mNumberChannels, first + i / b->mNumberChannels);
        }
        if (s == 0) {
            CHECK(!c.had_out || first >= c.next_out, "output again: %lld before %lld",
                  (long long)first, (long long)c.next_out);
            if (c.had_out && run < MAX_RUNS) {
                c.gaps[run] += first - c.next_out;
            }
            c.next_out = first + n;
        }
        frames = n;
    }
    c.had_out = out != NULL && out->mNumberBuffers > 0;
    if (c.spend_ns > 0) {
        sim_spend_ns(c.spend_ns);
        sim_run info = {.rate_hz = c.rate};
        if (c.had_out && (double)c.spend_ns > frames * 1e9 / info.rate_hz &&
            sim_get("overload_output") == 0) {
            c.gaps[run] += frames;
        }
        c.spend_ns = 0;
    }
    c.trace = mix(mix(c.trace, now->mHostTime), frames);
    return 0;
}

static OSStatus listener(AudioObjectID id, UInt32 n, const AudioObjectPropertyAddress *a,
                         void *data) {
    (void)data;
    c.heard++;
    for (UInt32 i = 0; i < n; i++) {
        c.trace = mix(mix(mix(c.trace, id), a[i].mSelector), sim_now_ns());
    }
    return 0;
}

static void captures_are_whole(void) {
    static float samples[1 << 20];
    static uint8_t present[1 << 20];
    for (size_t r = 0; r < sim_run_count(c.device); r++) {
        sim_run info;
        EQUAL(sim_run_info(c.device, r, &info), 0);
        UInt32 size = 0;
        AudioObjectPropertyAddress a = {kAudioDevicePropertyStreams,
                                        kAudioObjectPropertyScopeOutput, 0};
        if (AudioObjectGetPropertyDataSize(c.device, &a, 0, NULL, &size) != 0 || size == 0) {
            continue;
        }
        CHECK(r >= MAX_RUNS || c.gaps[r] == (int64_t)info.gap_frames,
              "run %zu: %llu frames of gaps, told of %lld", r, (unsigned long long)info.gap_frames,
              (long long)c.gaps[r]);
        size_t n = sim_capture_read(c.device, r, 0, 0, 0, sizeof present, samples, present);
        for (size_t i = 0; i < n; i++) {
            float wanted =
                present[i] ? sim_encode(9, 0, 0, (int64_t)info.first_sample_time + (int64_t)i) : 0;
            CHECK(memcmp(&wanted, &samples[i], 4) == 0, "run %zu frame %zu", r, i);
        }
    }
}

static void play(uint64_t seed) {
    static const int fixtures[] = {1, 3, 4, 5, 8, 11, 15, 18};
    static const char *const uids[] = {"BuiltInSpeakerDevice",
                                       "USBDuplex:1",
                                       "MultiStream:2+2+8",
                                       "MonoStreams:8",
                                       "Loopback",
                                       "VariableFrames",
                                       "Twin:A",
                                       "OldRate"};
    size_t which = seed % 8;
    world_with(seed, fixtures[which]);
    sim_set("auto_advance", 1);
    own_notification_thread();
    memset(&c, 0, sizeof c);
    c.run = -1;
    c.device = sim_find_device(uids[which]);
    c.serial = sim_device_serial(c.device);
    sim_set_input(c.device, SIM_INPUT_ENCODED);
    AudioObjectPropertyAddress a = {kAudioObjectPropertySelectorWildcard,
                                    kAudioObjectPropertyScopeWildcard,
                                    kAudioObjectPropertyElementWildcard};
    EQUAL(AudioObjectAddPropertyListener(c.device, &a, listener, NULL), 0);
    EQUAL(AudioDeviceCreateIOProcID(c.device, io, NULL, &c.proc), 0);
    EQUAL(AudioDeviceStart(c.device, c.proc), 0);
    EQUAL(sim_advance_ns(2 * SECOND), 0);
    EQUAL(set_buffer_frames(c.device, seed % 3 == 0 ? 128 : 1024), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    c.rate = 44100;
    sim_run info;
    if (sim_run_count(c.device) > 0 &&
        sim_run_info(c.device, sim_run_count(c.device) - 1, &info) == 0) {
        c.rate = info.rate_hz;
    }
    c.spend_ns = seed % 2 ? 60 * MS : 1 * MS;
    EQUAL(sim_advance_ns(500 * MS), 0);
    EQUAL(sim_inject_overload(c.device, (uint32_t)(seed % 4)), 0);
    EQUAL(sim_advance_ns(500 * MS), 0);
    OSStatus error = set_rate(c.device, 48000);
    CHECK(error == 0, "set of 48 kHz: %d", (int)error);
    EQUAL(sim_advance_ns(8 * SECOND), 0);
    EQUAL(AudioDeviceStop(c.device, c.proc), 0);
    EQUAL(sim_advance_ns(200 * MS), 0);
    EQUAL(AudioDeviceDestroyIOProcID(c.device, c.proc), 0);
    EQUAL(AudioObjectRemovePropertyListener(c.device, &a, listener, NULL), 0);
    captures_are_whole();
    CHECK(c.trace != 0, "no callback at all");
}

int main(int argc, char **argv) {
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 40;
    for (uint64_t seed = first; seed < first + count && check_failures == 0; seed++) {
        static char context[64];
        snprintf(context, sizeof context, "seed %llu: ", (unsigned long long)seed);
        check_context = context;
        play(seed);
        uint64_t trace = c.trace;
        world_is_clean();
        if (seed % 10 == 0) {
            play(seed);
            CHECK(c.trace == trace, "does not replay");
            world_is_clean();
        }
    }
    return check_result("seeds");
}
