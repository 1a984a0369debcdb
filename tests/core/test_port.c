/* Tests a port, with which engines are attached to an IO thread and detached from it. */
#include "check.h"
#include "port.h"

#include <pthread.h>
#include <string.h>

/* A port never accesses an engine, so these tests use any address as an engine. */
static int memory;
static vc_engine *const an_engine = (vc_engine *)&memory;

static void the_attached_engine_is_called_from_the_next_cycle_on(void) {
    vc_port port = {0};
    CHECK(vc_port_is_empty(&port));
    CHECK(vc_port_begin(&port) == NULL);
    CHECK_INT(vc_port_turn(&port), 1);
    vc_port_attach(&port, an_engine);
    vc_port_end(&port);
    CHECK_INT(vc_port_turn(&port), 2);
    CHECK(!vc_port_is_empty(&port));
    CHECK(vc_port_begin(&port) == an_engine);
    vc_port_end(&port);
    CHECK(vc_port_detach(&port, an_engine, 0));
    CHECK(vc_port_is_empty(&port));
    CHECK(vc_port_begin(&port) == NULL);
    vc_port_end(&port);
}

static void a_detach_in_a_cycle_that_does_not_end_attaches_the_engine_again(void) {
    vc_port port = {0};
    vc_port_attach(&port, an_engine);
    CHECK(vc_port_begin(&port) == an_engine);
    int64_t began_ns = vc_clock_ns();
    CHECK(!vc_port_detach(&port, an_engine, 2000000));
    CHECK(vc_clock_ns() - began_ns >= 2000000);
    CHECK(!vc_port_is_empty(&port));
    CHECK(!vc_port_detach(&port, NULL, 0)); /* detaches, and attaches no engine */
    CHECK(vc_port_is_empty(&port));
    vc_port_end(&port);
    CHECK(vc_port_detach(&port, an_engine, 0));
}

static void channels_that_are_equally_far_apart_are_one_memory(void) {
    enum { FRAMES = 16 };
    static float a[FRAMES * 8], b[FRAMES * 2];
    static const struct {
        vc_channel list[3];
        uint32_t channels;
        ptrdiff_t step; /* expected channel_stride; 0: none fits */
    } cases[] = {
        {{{a + 5, 8}}, 1, 1},
        {{{a, 8}, {a + 1, 8}, {a + 2, 8}}, 3, 1},
        {{{a + 7, 8}, {a + 4, 8}, {a + 1, 8}}, 3, -3},
        {{{a, 8}, {a + 1, 8}, {a + 3, 8}}, 3, 0},
        {{{a, 8}, {a, 8}}, 2, 0},
        {{{a, 1}, {a + FRAMES, 1}, {a + 2 * FRAMES, 1}}, 3, FRAMES},
        {{{a, 1}, {a + FRAMES + 4, 1}}, 2, 0}, /* unequal distances */
        {{{a + FRAMES, 1}, {a, 1}}, 2, 0},
        {{{a, 8}, {b, 2}}, 2, 0},
        {{{a, 2}, {b, 2}}, 2, 0},
        {{{a, 8}, {NULL, 0}}, 2, 0},
        {{{NULL, 0}, {a, 8}}, 2, 0},
        {{{NULL, 0}}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vc_audio audio = vc_port_audio(cases[i].list, cases[i].channels, FRAMES);
        CHECK_INT(audio.channels, cases[i].channels);
        if (cases[i].step == 0) {
            CHECK(audio.data == NULL && audio.list == cases[i].list);
        } else {
            CHECK(audio.data == cases[i].list[0].data && audio.list == NULL);
            CHECK_INT(audio.frame_stride, cases[i].list[0].stride);
            CHECK_INT(audio.channel_stride, cases[i].step);
        }
    }
}

static void counters_of_a_port(void) {
    _Atomic uint64_t counter = 5;
    vc_port_count(&counter, 1);
    vc_port_count(&counter, 10);
    CHECK_INT(counter, 16);
}

#if defined(__x86_64__)
static unsigned csr(void) { return _mm_getcsr(); }
static void set_csr(unsigned value) { _mm_setcsr(value); }

__attribute__((noinline)) static float third(volatile float *of) { return *of / 3.0f; }
#endif

/* A thread inherits the floating-point mode of its creator, so its exceptions may be unmasked. */
static void in_a_cycle_no_arithmetic_faults_and_denormals_are_zero(void) {
#if defined(__x86_64__)
    vc_port port = {0};
    volatile float one = 1.0f, smallest = 1.2e-38f;
    unsigned before = csr(), unmasked = before & ~(0x3fu << 7) & ~0x3fu;
    set_csr(unmasked);
    vc_port_begin(&port);
    float inexact = third(&one), denormal = third(&smallest);
    vc_port_end(&port);
    unsigned after = csr();
    set_csr(before);
    CHECK_INT(after, unmasked);
    CHECK(inexact > 0.33f && inexact < 0.34f);
    CHECK(denormal == 0.0f);
#endif
}

/* ---- two threads ------------------------------------------------------------------------------
 */

typedef struct shared {
    vc_port port;
    uint64_t *used; /* only cycles of the attached engine use this memory */
    _Atomic uint64_t cycles;
    _Atomic bool ending;
} shared;

static void *io_thread(void *user) {
    shared *s = user;
    while (!atomic_load(&s->ending)) {
        vc_engine *engine = vc_port_begin(&s->port);
        if (engine != NULL) {
            (*(uint64_t *)engine)++; /* a data race if the detach does not wait */
            vc_port_count(&s->cycles, 1);
        }
        vc_port_end(&s->port);
    }
    return NULL;
}

static void after_a_detach_no_cycle_uses_the_engine(void) {
    static shared s;
    uint64_t values[2] = {0, 0};
    pthread_t thread;
    pthread_create(&thread, NULL, io_thread, &s);
    uint64_t detached = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t *value = &values[i % 2];
        uint64_t cycles = atomic_load(&s.cycles);
        vc_port_attach(&s.port, (vc_engine *)value);
        while (i % 1000 == 0 && atomic_load(&s.cycles) == cycles) {
        }
        while (!vc_port_detach(&s.port, (vc_engine *)value, i % 3 == 0 ? 0 : 1000000000)) {
        }
        uint64_t here = *value; /* no cycle writes to `value` now */
        *value = 0;
        CHECK_INT(*value, 0);
        detached += here;
    }
    atomic_store(&s.ending, true);
    pthread_join(thread, NULL);
    CHECK(detached >= 20);
    CHECK_INT(detached, atomic_load(&s.cycles));
    CHECK_INT(vc_port_turn(&s.port) % 2, 0);
}

int main(void) {
    RUN(the_attached_engine_is_called_from_the_next_cycle_on);
    RUN(a_detach_in_a_cycle_that_does_not_end_attaches_the_engine_again);
    RUN(channels_that_are_equally_far_apart_are_one_memory);
    RUN(counters_of_a_port);
    RUN(in_a_cycle_no_arithmetic_faults_and_denormals_are_zero);
    RUN(after_a_detach_no_cycle_uses_the_engine);
    return check_summary();
}
