/* Tests how CoreAudio's IOProc converts AudioBuffers and AudioTimeStamps to a cycle and back. */
#include "check.h"
#include "ioproc.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { FRAMES = 64, MOST_BUFFERS = 8, MOST_CHANNELS = 16 };

/* The last cycle that the engine got. */
static vc_cycle seen;
static uint32_t calls;
static float denormal, scaled; /* results: a denormal one, and one of a denormal operand */

static uint32_t run(vc_engine *engine, const vc_cycle *cycle) VC_REALTIME;
static uint32_t run(vc_engine *engine, const vc_cycle *cycle) {
    (void)engine;
    seen = *cycle;
    calls++;
    volatile float
        tiny = 1e-39f,
        one = 1.0f; /* volatile, because the compiler would otherwise compute the product itself */
    denormal = tiny * one;
    scaled = tiny * 0x1p100f;
    for (uint32_t c = 0; c < cycle->output.channels; c++) {
        for (uint32_t f = 0; f < cycle->frames; f++) {
            const vc_audio *out = &cycle->output;
            vc_channel to =
                out->data ? (vc_channel){out->data + c * out->channel_stride, out->frame_stride}
                          : out->list[c];
            if (to.data != NULL) {
                to.data[(ptrdiff_t)f * to.stride] = code(f, c);
            }
        }
    }
    return cycle->frames;
}

/* Several buffers of one direction of a device. */
typedef struct buffers {
    union {
        AudioBufferList list;
        unsigned char room[8 + MOST_BUFFERS * sizeof(AudioBuffer)];
    } all;
    float memory[MOST_BUFFERS][FRAMES * MOST_CHANNELS];
} buffers;

static AudioBufferList *make(buffers *b, uint32_t count, const uint32_t *channels,
                             uint32_t frames) {
    memset(b, 0x7f, sizeof *b);
    b->all.list.mNumberBuffers = count;
    AudioBuffer *at = b->all.list.mBuffers;
    for (uint32_t i = 0; i < count; i++) {
        AudioBuffer one = {channels[i], (UInt32)(frames * channels[i] * sizeof(float)),
                           b->memory[i]};
        memcpy(&at[i], &one, sizeof one);
    }
    return &b->all.list;
}

static AudioTimeStamp stamp(double sample, uint64_t host, uint32_t flags) {
    return (AudioTimeStamp){.mSampleTime = sample, .mHostTime = host, .mFlags = flags};
}

static vc_engine *const engine = (vc_engine *)(uintptr_t)16;

static vc_ioproc *open_output(const vc_ioproc_channel *map, uint32_t channels) {
    vc_ioproc_config config = {.run = run,
                               .engine = engine,
                               .output = {map, channels, 100},
                               .timebase = {1, 1},
                               .samplerate_hz = 48000};
    return vc_ioproc_new(&config);
}

static void call(vc_ioproc *ioproc, AudioBufferList *output) {
    AudioTimeStamp now = stamp(1000, 5000000, 3), out = stamp(1600, 17500000, 3);
    CHECK_INT(vc_ioproc_run(1, &now, NULL, NULL, output, &out, ioproc), 0);
}

static void one_buffer_is_used_in_place(void) {
    static const vc_ioproc_channel map[] = {{0, 0}, {0, 1}};
    static buffers b;
    AudioBufferList *list = make(&b, 1, (uint32_t[]){2}, FRAMES);
    vc_ioproc *ioproc = open_output(map, 2);
    call(ioproc, list);
    CHECK(seen.output.data == b.memory[0]);
    CHECK_INT(seen.output.frame_stride, 2);
    CHECK_INT(seen.output.channel_stride, 1);
    CHECK_INT(seen.frames, FRAMES);
    CHECK_CODED(b.memory[0], 2, FRAMES, 0);
    vc_ioproc_free(ioproc);
}

static void channels_that_are_not_mapped_are_silent(void) {
    static const vc_ioproc_channel map[] = {{1, 1}, {0, 0}};
    static buffers b;
    AudioBufferList *list = make(&b, 3, (uint32_t[]){1, 4, 2}, FRAMES);
    vc_ioproc *ioproc = open_output(map, 2);
    call(ioproc, list);
    CHECK(seen.output.data == NULL && seen.output.list != NULL);
    for (uint32_t f = 0; f < FRAMES; f++) {
        CHECK(b.memory[0][f] == code(f, 1));
        for (uint32_t c = 0; c < 4; c++) {
            CHECK(b.memory[1][f * 4 + c] == (c == 1 ? code(f, 0) : 0.0f));
        }
        CHECK(b.memory[2][2 * f] == 0.0f && b.memory[2][2 * f + 1] == 0.0f);
    }
    vc_ioproc_free(ioproc);
}

/* Old memory of the device was heard. */
static void a_buffer_without_the_mapped_channel_is_silent(void) {
    static const vc_ioproc_channel map[] = {{0, 2}};
    static buffers b;
    AudioBufferList *list = make(&b, 1, (uint32_t[]){1}, FRAMES);
    vc_ioproc *ioproc = open_output(map, 1);
    call(ioproc, list);
    for (uint32_t f = 0; f < FRAMES; f++) {
        CHECK(b.memory[0][f] == 0.0f);
    }
    vc_ioproc_free(ioproc);
}

static void planar_memory_is_one_array(void) {
    static const vc_ioproc_channel map[] = {{0, 0}, {1, 0}, {2, 0}};
    static buffers b;
    static float memory[3 * FRAMES];
    AudioBufferList *list = make(&b, 3, (uint32_t[]){1, 1, 1}, FRAMES);
    AudioBuffer *at = list->mBuffers;
    for (uint32_t i = 0; i < 3; i++) {
        at[i].mData = memory + i * FRAMES;
    }
    vc_ioproc *ioproc = open_output(map, 3);
    call(ioproc, list);
    CHECK(seen.output.data == memory);
    CHECK_INT(seen.output.frame_stride, 1);
    CHECK_INT(seen.output.channel_stride, FRAMES);
    vc_ioproc_free(ioproc);
}

static void frames_are_what_the_buffers_hold(void) {
    static const vc_ioproc_channel map[] = {{0, 0}, {1, 0}};
    static buffers b;
    vc_ioproc *ioproc = open_output(map, 2);
    AudioBufferList *list = make(&b, 2, (uint32_t[]){1, 1}, FRAMES);
    AudioBuffer *at = list->mBuffers;
    at[1].mDataByteSize = 40 * sizeof(float);
    call(ioproc, list);
    CHECK_INT(seen.frames, 40);
    CHECK(b.memory[0][39] == code(39, 0) && b.memory[0][40] == 0.0f);
    list = make(&b, 2, (uint32_t[]){1, 1}, 0);
    uint32_t before = calls;
    call(ioproc, list);
    CHECK_INT(calls, before);
    vc_ioproc_counts counts;
    vc_ioproc_count(ioproc, &counts);
    CHECK_INT(counts.empty_cycles, 1);
    CHECK_INT(counts.cycles, 1);
    vc_ioproc_free(ioproc);
}

static void buffers_without_memory(void) {
    static const vc_ioproc_channel map[] = {{0, 0}, {5, 3}};
    static buffers b;
    vc_ioproc *ioproc = open_output(map, 2);
    AudioBufferList *list = make(&b, 1, (uint32_t[]){1}, FRAMES);
    list->mBuffers[0].mData = NULL;
    call(ioproc, list);
    CHECK_INT(seen.frames, FRAMES);
    CHECK(seen.output.list[0].data == NULL && seen.output.list[1].data == NULL);
    vc_ioproc_counts counts;
    vc_ioproc_count(ioproc, &counts);
    CHECK(counts.oddities & VC_ODD_LAYOUT);
    call(ioproc, NULL); /* CoreAudio gives no list of buffers */
    vc_ioproc_free(ioproc);
}

static void times_count_only_with_their_flags(void) {
    static const vc_ioproc_channel map[] = {{0, 0}};
    static buffers b;
    AudioBufferList *list = make(&b, 1, (uint32_t[]){1}, FRAMES);
    vc_ioproc *ioproc = open_output(map, 1);
    call(ioproc, list);
    CHECK_INT(seen.now.host_ns, 5000000);
    CHECK_INT(seen.output_time.sample_frames, 1600 + 100);
    CHECK_INT(seen.output_time.host_ns, 17500000 + 2083333);
    AudioTimeStamp now = stamp(1000, 5000000, 3), out = stamp(1600, 0, 1);
    vc_ioproc_run(1, &now, NULL, NULL, list, &out, ioproc);
    /* The missing host time is computed from the other time stamp. */
    CHECK_INT(seen.output_time.host_ns, 17500000 + 2083333);
    out = stamp(NAN, 0, 1);
    vc_ioproc_run(1, &now, NULL, NULL, list, &out, ioproc);
    CHECK_INT(seen.output_time.valid, 0);
    now = stamp(0, 0, 0);
    out = stamp(0, 0, 0);
    vc_ioproc_run(1, &now, NULL, NULL, list, &out, ioproc);
    CHECK_INT(seen.now.valid | seen.output_time.valid, 0);
    vc_ioproc_run(1, NULL, NULL, NULL, list, NULL, ioproc);
    CHECK_INT(seen.now.valid | seen.output_time.valid, 0);
    vc_ioproc_free(ioproc);
}

/* Input was at the connector before CoreAudio got it. Output reaches the connector after CoreAudio
 * has taken it. Both latencies therefore move a time away from the present. */
static void latencies_are_counted_away_from_now(void) {
    static const vc_ioproc_channel map[] = {{0, 0}};
    static buffers in, out;
    vc_ioproc_config config = {.run = run,
                               .engine = engine,
                               .input = {map, 1, 37},
                               .output = {map, 1, 100},
                               .timebase = {1, 1},
                               .samplerate_hz = 48000};
    vc_ioproc *ioproc = vc_ioproc_new(&config);
    AudioTimeStamp now = stamp(1000, 50000000, 3);
    AudioTimeStamp before = stamp(952, 49000000, 3), after = stamp(1048, 51000000, 3);
    AudioBufferList *input = make(&in, 1, (uint32_t[]){1}, FRAMES);
    AudioBufferList *output = make(&out, 1, (uint32_t[]){1}, FRAMES);
    CHECK_INT(vc_ioproc_run(1, &now, input, &before, output, &after, ioproc), 0);
    CHECK_INT(seen.input_time.sample_frames, 952 - 37);
    CHECK_NEAR(seen.input_time.host_ns, 49000000 - 37e9 / 48000, 1);
    CHECK_INT(seen.output_time.sample_frames, 1048 + 100);
    CHECK_NEAR(seen.output_time.host_ns, 51000000 + 100e9 / 48000, 1);
    vc_ioproc_free(ioproc);
}

static vc_ioproc_buffer integers(uint8_t bytes, uint8_t bits, uint32_t channels) {
    return (vc_ioproc_buffer){VC_SAMPLES_INTEGER, {.bytes = bytes, .bits = bits}, channels};
}

/* The engine writes codes beyond full scale, so this test uses a small one. */
static uint32_t copy_input(vc_engine *user, const vc_cycle *cycle) VC_REALTIME;
static uint32_t copy_input(vc_engine *user, const vc_cycle *cycle) {
    (void)user;
    seen = *cycle;
    vc_audio_copy(&cycle->output, 0, &cycle->input, 0, cycle->frames);
    return cycle->frames;
}

static void sized(AudioBufferList *list, uint32_t buffer, uint32_t bytes) {
    AudioBuffer *at = list->mBuffers;
    at[buffer].mDataByteSize = bytes;
}

/* Input of 16 bits in one buffer, of 24 in another; output of float, 24 and 32 bits. */
static void integers_are_converted_beside_float(void) {
    static const vc_ioproc_channel from[] = {{0, 1}, {1, 0}, {0, 0}};
    static const vc_ioproc_channel to[] = {{1, 0}, {2, 1}, {0, 0}};
    const vc_ioproc_buffer given_in[] = {integers(2, 16, 2), integers(3, 24, 1)};
    const vc_ioproc_buffer given_out[] = {
        {VC_SAMPLES_FLOAT32, {0}, 1}, integers(3, 24, 1), integers(4, 32, 2)};
    static buffers in, out;
    vc_ioproc_config config = {.run = copy_input,
                               .engine = engine,
                               .input = {from, 3, 0, given_in, 2},
                               .output = {to, 3, 0, given_out, 3},
                               .timebase = {1, 1},
                               .samplerate_hz = 48000,
                               .room_frames = FRAMES};
    vc_ioproc *ioproc = vc_ioproc_new(&config);
    AudioBufferList *input = make(&in, 2, (uint32_t[]){2, 1}, FRAMES);
    AudioBufferList *output = make(&out, 3, (uint32_t[]){1, 1, 2}, FRAMES);
    sized(input, 0, FRAMES * 4);
    sized(input, 1, FRAMES * 3 + 2);
    sized(output, 1, FRAMES * 3);
    for (int32_t f = 0; f < FRAMES; f++) {
        int16_t pair[] = {(int16_t)(f * 100 + 1), (int16_t)(-f * 100 - 2)};
        memcpy((char *)in.memory[0] + f * 4, pair, 4);
        int32_t number = f * 70000 - 4000003;
        memcpy((char *)in.memory[1] + f * 3, &number, 3);
    }
    AudioTimeStamp now = stamp(1000, 5000000, 3);
    CHECK_INT(vc_ioproc_run(1, &now, input, &now, output, &now, ioproc), 0);
    CHECK_INT(seen.frames, FRAMES);
    for (int32_t f = 0; f < FRAMES; f++) {
        uint32_t packed = 0;
        memcpy(&packed, (char *)out.memory[1] + f * 3, 3);
        CHECK_INT((int32_t)(packed << 8) >> 8, (-f * 100 - 2) * 256);
        int32_t wide[2];
        memcpy(wide, (char *)out.memory[2] + f * 8, 8);
        CHECK_INT(wide[0], 0); /* the channel that is not mapped */
        CHECK_INT(wide[1], (f * 70000 - 4000003) * 256);
        CHECK_NEAR(out.memory[0][f], (f * 100 + 1) / 32768.0, 0);
    }
    vc_ioproc_free(ioproc);
}

/* A longer cycle than there is room for, other channels, and buffers of unknown samples. */
static void odd_cycles_of_integers(void) {
    static const vc_ioproc_channel map[] = {{0, 0}, {0, 1}};
    const vc_ioproc_buffer given[] = {integers(2, 16, 2), {VC_SAMPLES_OTHER, {0}, 2}};
    static buffers b;
    vc_ioproc_config config = {.run = run,
                               .engine = engine,
                               .output = {map, 2, 0, given, 2},
                               .timebase = {1, 1},
                               .samplerate_hz = 48000,
                               .room_frames = FRAMES - 20};
    vc_ioproc *ioproc = vc_ioproc_new(&config);
    AudioBufferList *list = make(&b, 2, (uint32_t[]){2, 2}, FRAMES);
    sized(list, 0, FRAMES * 4);
    call(ioproc, list);
    CHECK_INT(seen.frames, FRAMES - 20);
    const int16_t *heard = (const int16_t *)b.memory[0];
    for (int i = 0; i < FRAMES * 2; i++) { /* codes are at least 1, which is full scale */
        CHECK_INT(heard[i], i < (FRAMES - 20) * 2 ? INT16_MAX : 0);
    }
    CHECK_SILENT(b.memory[1], 2, FRAMES);
    list = make(&b, 1, (uint32_t[]){4}, FRAMES);
    sized(list, 0, (FRAMES - 20) * 8);
    call(ioproc, list);
    CHECK(seen.output.list[0].data == NULL && seen.output.list[1].data == NULL);
    CHECK_SILENT(b.memory[0], 4, (FRAMES - 20) / 2);
    vc_ioproc_free(ioproc);
}

static void in_another_format_it_is_silent(void) {
    static const vc_ioproc_channel map[] = {{0, 0}};
    static buffers b;
    vc_watched one = {.users = 1};
    vc_watched *const watched[] = {&one};
    vc_ioproc_config config = {.run = run,
                               .engine = engine,
                               .output = {map, 1, 0, NULL, 0},
                               .timebase = {1, 1},
                               .samplerate_hz = 48000,
                               .watched = watched,
                               .watched_count = 1};
    vc_ioproc *ioproc = vc_ioproc_new(&config);
    for (int turn = 0; turn < 3; turn++) {
        atomic_store(&one.differs, turn == 1);
        uint32_t before = calls;
        call(ioproc, make(&b, 1, (uint32_t[]){1}, FRAMES));
        CHECK_INT(calls - before, turn != 1);
        CHECK(b.memory[0][3] == (turn == 1 ? 0.0f : code(3, 0)));
    }
    vc_ioproc_counts counts;
    vc_ioproc_count(ioproc, &counts);
    CHECK_INT(counts.silent_cycles, 1);
    vc_ioproc_free(ioproc);
}

static void ticks(void) {
    CHECK_INT(vc_ticks_to_ns((vc_timebase){125, 3}, 3), 125);
    CHECK_INT(vc_ticks_to_ns((vc_timebase){125, 3}, 24000000), 1000000000);
    CHECK_INT(vc_ticks_to_ns((vc_timebase){1, 1}, INT64_MAX), INT64_MAX);
    CHECK_INT(vc_ticks_to_ns((vc_timebase){125, 3}, 220000000000000000u), 9166666666666666666);
    CHECK_INT(vc_ns_to_ticks((vc_timebase){125, 3}, 126), 4);
    CHECK_INT(vc_ns_to_ticks((vc_timebase){125, 3}, -1), 0);
}

static void denormals_are_flushed_inside_and_not_outside(void) {
    static const vc_ioproc_channel map[] = {{0, 0}};
    static buffers b;
    vc_ioproc *ioproc = open_output(map, 1);
    call(ioproc, make(&b, 1, (uint32_t[]){1}, FRAMES));
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(denormal == 0.0f);
    CHECK(scaled == 0.0f);
#endif
    volatile float tiny = 1e-39f, one = 1.0f;
    CHECK(tiny * one != 0.0f);
    CHECK(tiny * 0x1p100f != 0.0f);
    vc_ioproc_free(ioproc);
}

static _Atomic bool ending;
static void *io_thread(void *user) {
    static buffers b;
    AudioBufferList *list = make(&b, 1, (uint32_t[]){2}, FRAMES);
    while (!atomic_load(&ending)) {
        call(user, list);
    }
    return NULL;
}

/* If a client has unmasked the floating-point exceptions of a thread, rounding, NaN and overflow
 * raise signals. The conversion of time stamps must not cause them. */
static void no_time_stamp_faults_while_exceptions_are_unmasked(void) {
#if defined(__x86_64__)
    static const vc_ioproc_channel map[] = {{0, 0}, {0, 1}};
    static const double samples[] = {NAN, INFINITY, -INFINITY, 1e300, 1000.25, 1e-310};
    static buffers b;
    AudioBufferList *list = make(&b, 1, (uint32_t[]){2}, FRAMES);
    vc_ioproc *ioproc = open_output(map, 2);
    unsigned before = _mm_getcsr(), unmasked = before & ~(0x3fu << 7) & ~0x3fu;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        for (size_t j = 0; j < sizeof samples / sizeof samples[0]; j++) {
            AudioTimeStamp now = stamp(samples[i], 5000000, 3), out = stamp(samples[j], 7, 3);
            _mm_setcsr(unmasked);
            vc_ioproc_run(1, &now, NULL, NULL, list, &out, ioproc);
            unsigned after = _mm_getcsr();
            _mm_setcsr(before);
            CHECK_INT(after, unmasked);
            CHECK(!(seen.now.valid & VC_TIME_SAMPLE) == !(fabs(samples[i]) < 1e18));
        }
    }
    vc_ioproc_free(ioproc);
#endif
}

static void after_a_detach_no_cycle_has_the_engine(void) {
    static const vc_ioproc_channel map[] = {{0, 0}, {0, 1}};
    vc_ioproc *ioproc = open_output(map, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, io_thread, ioproc);
    vc_ioproc_counts counts;
    do {
        vc_ioproc_count(ioproc, &counts);
    } while (counts.cycles == 0);
    for (int i = 0; i < 2000; i++) {
        CHECK(vc_port_detach(vc_ioproc_port(ioproc), NULL, INT64_MAX));
        uint32_t before = calls; /* no race: no other thread writes `calls` now */
        CHECK_INT(calls, before);
        calls = before + 1;
        vc_port_attach(vc_ioproc_port(ioproc), engine);
    }
    atomic_store(&ending, true);
    pthread_join(thread, NULL);
    vc_ioproc_count(ioproc, &counts);
    CHECK(counts.content_first == 1600 && counts.content_end == 1600 + FRAMES);
    vc_ioproc_free(ioproc);
    vc_ioproc_free(NULL);
}

int main(void) {
    RUN(one_buffer_is_used_in_place);
    RUN(channels_that_are_not_mapped_are_silent);
    RUN(a_buffer_without_the_mapped_channel_is_silent);
    RUN(planar_memory_is_one_array);
    RUN(frames_are_what_the_buffers_hold);
    RUN(buffers_without_memory);
    RUN(times_count_only_with_their_flags);
    RUN(latencies_are_counted_away_from_now);
    RUN(integers_are_converted_beside_float);
    RUN(odd_cycles_of_integers);
    RUN(in_another_format_it_is_silent);
    RUN(ticks);
    RUN(denormals_are_flushed_inside_and_not_outside);
    RUN(no_time_stamp_faults_while_exceptions_are_unmasked);
    RUN(after_a_detach_no_cycle_has_the_engine);
    return check_summary();
}
