/* Code on the IO thread makes no forbidden call. The library tests/shim/trap.c, which must be
 * preloaded, detects such calls, and this file also tests that it does. */
#if defined(__linux__)
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS /* otherwise open and open64 would be the same name */
#endif
#include "bench.h"
#include "drift.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void (*trap_enter)(void), (*trap_leave)(void), (*trap_reset)(void);
static uint64_t (*trap_count)(void);
static size_t (*trap_report)(char *, size_t);

static bool find(void *function, const char *name) {
    void *found = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

/* ---- each kind ----------------------------------------------------------------------------------
 */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static int null_fd, sockets[2];
static FILE *null_file;
/* The variable is volatile, because the compiler would otherwise remove a pair of malloc and free.
 */
static void *volatile memory;
static char text[64];
static const struct timespec past = {0, 0};
static const char *volatile some = "%s %d\n"; /* with a literal, printf would become puts */

/* Calls through these pointers, because optimised code would call other functions instead. */
static int (*volatile via_vprintf)(const char *, va_list) = vprintf;
static int (*volatile via_putchar)(int) = putchar;

static void print_list(int which, ...) {
    va_list arguments;
    va_start(arguments, which);
    switch (which) {
    case 0:
        vfprintf(null_file, "%d", arguments);
        break;
    case 1:
        vsnprintf(text, sizeof text, "%d", arguments);
        break;
    default:
        via_vprintf(some + 6, arguments);
        break;
    }
    va_end(arguments);
}

static void *nothing(void *user) { return user; }

/* Each row has the name that the trap must report, and code that causes the report. */
#define KINDS(X)                                                                                   \
    X(malloc, memory = malloc(10))                                                                 \
    X(free, free(memory))                                                                          \
    X(calloc, memory = calloc(2, 10))                                                              \
    X(realloc, memory = realloc(memory, 100))                                                      \
    X(reallocarray, memory = reallocarray(memory, 3, 100))                                         \
    X(aligned_alloc, memory = aligned_alloc(64, 128))                                              \
    X(memalign, memory = memalign(64, 128))                                                        \
    X(posix_memalign, {                                                                            \
        void *got;                                                                                 \
        CHECK(posix_memalign(&got, 64, 100) == 0);                                                 \
        memory = got;                                                                              \
    })                                                                                             \
    X(pthread_mutex_lock, pthread_mutex_lock(&mutex))                                              \
    X(pthread_cond_timedwait, pthread_cond_timedwait(&cond, &mutex, &past))                        \
    X(pthread_mutex_trylock, pthread_mutex_trylock(&mutex))                                        \
    X(pthread_mutex_timedlock, pthread_mutex_timedlock(&mutex, &past))                             \
    X(pthread_cond_signal, pthread_cond_signal(&cond))                                             \
    X(pthread_cond_broadcast, pthread_cond_broadcast(&cond))                                       \
    X(pthread_rwlock_rdlock, pthread_rwlock_rdlock(&rwlock))                                       \
    X(pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock(&rwlock))                                 \
    X(pthread_rwlock_trywrlock, pthread_rwlock_trywrlock(&rwlock))                                 \
    X(sem_wait, sem_wait(&semaphore))                                                              \
    X(sem_trywait, sem_trywait(&semaphore))                                                        \
    X(sem_timedwait, sem_timedwait(&semaphore, &past))                                             \
    X(write, CHECK(write(null_fd, "x", 1) == 1))                                                   \
    X(read, CHECK(read(null_fd, text, 1) == 0))                                                    \
    X(writev, CHECK(writev(null_fd, &(struct iovec){text, 1}, 1) == 1))                            \
    X(open, null_fd = open("/dev/null", O_RDWR))                                                   \
    X(open64, null_fd = open64("/dev/null", O_RDWR))                                               \
    X(openat, null_fd = openat(AT_FDCWD, "/dev/null", O_RDWR))                                     \
    X(close, close(null_fd))                                                                       \
    X(send, CHECK(send(sockets[0], "x", 1, 0) == 1))                                               \
    X(recv, CHECK(recv(sockets[1], text, 1, 0) == 1))                                              \
    X(fprintf, fprintf(null_file, some, "x", 1))                                                   \
    X(snprintf, snprintf(text, sizeof text, some, "x", 1))                                         \
    X(sprintf, sprintf(text, some, "x", 1))                                                        \
    X(printf, printf(some + 6))                                                                    \
    X(vfprintf, print_list(0, 1))                                                                  \
    X(vsnprintf, print_list(1, 1))                                                                 \
    X(vprintf, print_list(2, 1))                                                                   \
    X(puts, puts("  (a line that the trap lets through)"))                                         \
    X(putchar, via_putchar(' '))                                                                   \
    X(fputs, fputs(text, null_file))                                                               \
    X(putc, putc(' ', null_file))                                                                  \
    X(fputc, fputc(' ', null_file))                                                                \
    X(fwrite, fwrite(text, 1, 1, null_file))                                                       \
    X(fflush, fflush(null_file))                                                                   \
    X(nanosleep, nanosleep(&past, NULL))                                                           \
    X(clock_nanosleep, clock_nanosleep(CLOCK_MONOTONIC, 0, &past, NULL))                           \
    X(usleep, usleep(0))                                                                           \
    X(sleep, sleep(0))                                                                             \
    X(mmap, memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))              \
    X(mmap64,                                                                                      \
      memory = mmap64(memory, 4096, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))    \
    X(munmap, munmap(memory, 4096))                                                                \
    X(sbrk, memory = sbrk(0))                                                                      \
    X(brk, CHECK(brk(memory) == 0))                                                                \
    X(syscall, CHECK(syscall(SYS_gettid) > 0))

static void it_counts(const char *name) {
    char report[256], wanted[64];
    trap_report(report, sizeof report);
    snprintf(wanted, sizeof wanted, "%s 1", name);
    check_that(strcmp(report, wanted) == 0, __FILE__, __LINE__, "%s is reported as \"%s\"", name,
               report);
    CHECK_INT(trap_count(), 1);
}

static void every_kind_is_caught(void) {
    sem_init(&semaphore, 0, 2);
    null_fd = open("/dev/null", O_RDWR);
    null_file = fopen("/dev/null", "w");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
#define TRY(name, cause)                                                                           \
    trap_reset();                                                                                  \
    trap_enter();                                                                                  \
    cause;                                                                                         \
    trap_leave();                                                                                  \
    it_counts(#name);
    KINDS(TRY)
#undef TRY
    pthread_rwlock_unlock(&rwlock);
    pthread_rwlock_unlock(&rwlock);
    trap_reset();
    trap_enter();
    pthread_rwlock_wrlock(&rwlock);
    trap_leave();
    it_counts("pthread_rwlock_wrlock");
    fclose(null_file);
}

/* This action is not in the table, because it waits for a signal of another thread. */
static void *signal_later(void *user) {
    pthread_mutex_lock(&mutex);
    *(bool *)user = true;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void waiting_is_caught(void) {
    pthread_mutex_init(&mutex, NULL);
    pthread_mutex_lock(&mutex);
    bool signalled = false;
    pthread_t thread;
    pthread_create(&thread, NULL, signal_later, &signalled);
    trap_reset();
    while (!signalled) {
        trap_enter();
        pthread_cond_wait(&cond, &mutex);
        trap_leave();
    }
    it_counts("pthread_cond_wait");
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    trap_reset();
    trap_enter();
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    trap_leave();
    char report[256];
    trap_report(report, sizeof report);
    CHECK(strstr(report, "pthread_create 1") != NULL && strstr(report, "pthread_join 1") != NULL);
}

static void only_between_enter_and_leave_and_on_that_thread(void) {
    trap_reset();
    memory = malloc(10);
    free(memory);
    trap_enter();
    trap_enter(); /* calls can be nested */
    trap_leave();
    memory = malloc(10);
    trap_leave();
    free(memory);
    it_counts("malloc");
    trap_reset();
    CHECK_INT(trap_count(), 0);
    pthread_t thread;
    bool signalled = false;
    trap_enter();
    trap_leave();
    pthread_create(&thread, NULL, signal_later, &signalled);
    pthread_join(thread, NULL);
    CHECK_INT(trap_count(), 0);
}

static void a_report_that_does_not_fit_is_cut(void) {
    char report[10];
    memset(report, 'x', sizeof report);
    trap_reset();
    trap_enter();
    memory = calloc(1, 1);
    memory = realloc(memory, 2);
    free(memory);
    trap_leave();
    CHECK_INT(trap_count(), 3);
    CHECK_INT(trap_report(report, sizeof report), 9);
    CHECK(strcmp(report, "calloc 1,") == 0);
    report[0] = 'y';
    CHECK_INT(trap_report(report, 0), 0);
    CHECK(report[0] == 'y');
}

/* ---- cycles -------------------------------------------------------------------------------------
 */

static void nothing_was_caught(const char *where) {
    char report[256];
    trap_report(report, sizeof report);
    check_that(trap_count() == 0, __FILE__, __LINE__, "%s: %s", where, report);
}

static int32_t allocate(vc_block *block, void *user) {
    (void)block;
    (void)user;
    memory = malloc(10);
    free(memory);
    return VC_CONTINUE;
}

/* Runs an engine on a virtual device, through faults, to its end. The trap watches its cycles. */
static void run_engine(vc_engine *engine, uint32_t inputs, uint32_t outputs) {
    static const uint32_t map[] = {0, 1};
    vc_device_config config = stepped(2, 2);
    vc_device *device = vc_device_new(&config);
    vc_fault faults[] = {{.kind = VC_FAULT_XRUN, .at_frame = 128, .value = 100},
                         {.kind = VC_FAULT_LATE, .at_frame = 256, .value = 9000000}};
    vc_device_inject(device, &faults[0]);
    vc_device_inject(device, &faults[1]);
    vc_cycle_set_trap(trap_enter, trap_leave);
    trap_reset();
    vc_engine_start(engine);
    CHECK(vc_device_attach(device, engine, map, inputs, map, outputs));
    step(device, 20);
    vc_engine_stop(engine);
    step(device, 10);
    CHECK_INT(vc_engine_state(engine), VC_FINISHED);
    CHECK(vc_device_detach(device, engine, SECOND));
    vc_cycle_set_trap(NULL, NULL);
    vc_device_free(device);
}

static void a_cycle_that_allocates_is_caught(void) {
    vc_engine_config config = {.output_channels = 2, .samplerate_hz = 48000, .process = allocate};
    vc_engine *engine = vc_engine_new(&config);
    run_engine(engine, 0, 2);
    CHECK_INT(trap_count(), 40);
    vc_engine_free(engine);
}

static int32_t tone(float *output, const float *input, uint32_t frames, const vc_block *block,
                    void *user) {
    (void)user;
    for (uint32_t i = 0; i < frames * block->output.channels; i++) {
        output[i] = input != NULL ? input[i] * 0.5f : i % 7 == 0 ? NAN : 0.25f;
    }
    return VC_CONTINUE;
}

static void a_native_cycle_is_clean(void) {
    vc_native native = {tone, NULL};
    for (uint32_t inputs = 0; inputs <= 2; inputs += 2) {
        for (uint32_t block = 0; block <= 100; block += 50) {
            for (uint32_t flags = 0; flags < 8; flags++) {
                vc_engine_config config = {.input_channels = inputs,
                                           .output_channels = 2,
                                           .block_frames = block,
                                           .flags = flags,
                                           .samplerate_hz = 48000,
                                           .process = vc_native_process,
                                           .user = &native};
                vc_engine *engine = vc_engine_new(&config);
                run_engine(engine, inputs, 2);
                nothing_was_caught("native");
                vc_engine_free(engine);
            }
        }
    }
}

static void a_mixer_cycle_is_clean(void) {
    float data[200];
    for (int i = 0; i < 200; i++) {
        data[i] = 0.1f;
    }
    vc_mixer *mixer = vc_mixer_new(2, 4, false);
    vc_ring *ring = vc_ring_new(128, 2);
    vc_ring_write(ring, data, 90);
    vc_clip *fading = vc_clip_from_memory(data, 100, 2, 0, 200, 0.5f);
    CHECK(vc_mixer_add(mixer, vc_clip_from_memory(data, 100, 2, 3, VC_CLIP_NOW, 1.0f)));
    CHECK(vc_mixer_add(mixer, vc_clip_from_ring(ring, 10, 1.0f)));
    CHECK(vc_mixer_add(mixer, fading));
    vc_mixer_stop(mixer, fading, 50);
    vc_engine_config config = {
        .output_channels = 2, .samplerate_hz = 48000, .process = vc_mixer_process, .user = mixer};
    vc_engine *engine = vc_engine_new(&config);
    run_engine(engine, 0, 2);
    nothing_was_caught("mixer");
    CHECK(vc_mixer_frames(mixer) > 1000);
    vc_engine_free(engine);
    vc_mixer_free(mixer);
    vc_ring_free(ring);
}

/* Both sides of a stream on two devices, with losses, late frames and cycles that are too long. */
static void cycles_of_two_devices_are_clean(void) {
    const vc_drift_config drift_config = {.channels = 2,
                                          .input_rate_hz = 44100,
                                          .output_rate_hz = 48000,
                                          .input_period_frames = 64,
                                          .output_period_frames = 64,
                                          .delay_frames = 500};
    vc_drift *drift = vc_drift_new(&drift_config);
    vc_engine_config config = {
        .input_channels = 2, .samplerate_hz = 44100, .process = vc_drift_process, .user = drift};
    vc_engine *input = vc_engine_new(&config);
    for (int run = 0; run < 3; run++) {
        run_engine(input, 2, 0);
        nothing_was_caught("the input of two devices");
        trap_enter();
        for (int64_t i = 0; i < 40; i++) {
            vc_cycle cycle = {.frames = i % 20 == 19 ? 9000 : 64,
                              .output_time = {1000000000 + i * 1400000, i * 64 + (i > 30 ? 500 : 0),
                                              VC_TIME_HOST | VC_TIME_SAMPLE, 0}};
            vc_drift_fill(drift, &cycle);
        }
        trap_leave();
        nothing_was_caught("the output of two devices");
    }
    vc_engine_free(input);
    vc_drift_free(drift);
}

static void a_recorder_cycle_is_clean(void) {
    vc_ring *ring = vc_ring_new(1024, 2); /* the ring overflows */
    vc_recorder *recorder = vc_recorder_new(ring, 0);
    vc_engine_config config = {.input_channels = 2,
                               .samplerate_hz = 48000,
                               .process = vc_recorder_process,
                               .user = recorder};
    vc_engine *engine = vc_engine_new(&config);
    run_engine(engine, 2, 0);
    nothing_was_caught("recorder");
    CHECK_INT(vc_recorder_frames(recorder), 20 * 64);
    CHECK_INT(vc_recorder_overflow_frames(recorder), 20 * 64 - 1024);
    vc_engine_free(engine);
    vc_recorder_free(recorder);
    vc_ring_free(ring);
}

/* Plays, and makes the requests of other threads before each block. */
static int32_t play_and_request(vc_block *block, void *user) {
    static uint32_t blocks;
    vc_player *player = user;
    vc_player_heard heard;
    vc_player_counts counts;
    blocks++;
    if (blocks % 7 == 0) {
        vc_player_clear(player, 20);
    }
    vc_player_pause(player, blocks % 5 == 0, 20);
    vc_player_prebuffer(player, blocks % 3);
    vc_player_hear(player, INT64_MAX, &heard);
    vc_player_count(player, &counts);
    return vc_player_process(block, player);
}

/* Utterances, clears, marks, pauses and an underrun, while the frames are kept in histories. */
static void a_player_cycle_and_its_histories_are_clean(void) {
    static const uint32_t map[] = {0, 1};
    const vc_player_config player_config = {.channels = 1,
                                            .output_channels = 2,
                                            .capacity_frames = 1024,
                                            .fade_frames = 100,
                                            .messages = 64,
                                            .gain = 1.0f,
                                            .left = 0.5f,
                                            .right = 1.0f};
    float data[1024];
    for (int i = 0; i < 1024; i++) {
        data[i] = 0.1f;
    }
    vc_player *player = vc_player_new(&player_config);
    vc_engine_config config = {.input_channels = 2,
                               .output_channels = 2,
                               .samplerate_hz = 48000,
                               .process = play_and_request,
                               .user = player};
    vc_engine *engine = vc_engine_new(&config);
    vc_history *played = vc_history_new(200, map, 2), *recorded = vc_history_new(200, map, 2);
    CHECK(vc_engine_add_history(engine, played, VC_OUTPUT));
    CHECK(vc_engine_add_history(engine, recorded, VC_INPUT));
    for (uint32_t run = 0; run < 3; run++) {
        uint32_t clears = vc_player_clears(player);
        uint64_t begin = vc_ring_total_written(vc_player_ring(player));
        vc_player_begin(player, clears);
        vc_player_level(player, 0.5f + (float)run * 0.1f, 1.0f, 1.0f, 30);
        CHECK(vc_player_mark(player, begin, run, clears, true));
        CHECK(vc_player_mark(player, begin + 50, run, clears, false));
        CHECK_INT(vc_ring_write(vc_player_ring(player), data, 500), 500);
        if (run == 1) {
            CHECK(vc_player_finish(player, begin + 500, clears));
        }
        run_engine(engine, 2, 2);
        nothing_was_caught("player");
    }
    CHECK(vc_player_results(player) >= 6);
    CHECK(vc_history_written(played) >= 3 * 20 * 64);
    CHECK_INT(vc_history_written(recorded), vc_history_written(played));
    vc_engine_free(engine);
    vc_player_free(player);
    vc_history_free(played);
    vc_history_free(recorded);
}

int main(void) {
    if (!find(&trap_enter, "vc_trap_enter") || !find(&trap_leave, "vc_trap_leave") ||
        !find(&trap_reset, "vc_trap_reset") || !find(&trap_count, "vc_trap_count") ||
        !find(&trap_report, "vc_trap_report")) {
        printf("run this with the shim: LD_PRELOAD=trap.so\n0 passed, 1 failed\n");
        return 1;
    }
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOLBF,
            sizeof buffer); /* otherwise the first puts allocates a buffer */
    RUN(every_kind_is_caught);
    RUN(waiting_is_caught);
    RUN(only_between_enter_and_leave_and_on_that_thread);
    RUN(a_report_that_does_not_fit_is_cut);
    RUN(a_cycle_that_allocates_is_caught);
    RUN(a_native_cycle_is_clean);
    RUN(a_mixer_cycle_is_clean);
    RUN(cycles_of_two_devices_are_clean);
    RUN(a_recorder_cycle_is_clean);
    RUN(a_player_cycle_and_its_histories_are_clean);
    return check_summary();
}
