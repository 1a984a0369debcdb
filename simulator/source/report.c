/* report.c: counters, the log and stacks. Nothing here prints. */
#include "world.h"

#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static const char *const counter_names[CN_COUNT] = {
#define X(name) #name,
    COUNTERS(X)
#undef X
};
static _Atomic int64_t counters[CN_COUNT];

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char *log_text;
static size_t log_size, log_room;

void count(enum sim_counter_id counter, int64_t change) {
    atomic_fetch_add(&counters[counter], change);
}

EXPORT int64_t sim_counter(const char *name) {
    for (int i = 0; i < CN_COUNT; i++) {
        if (name != NULL && strcmp(counter_names[i], name) == 0) {
            return atomic_load(&counters[i]);
        }
    }
    return -1;
}

EXPORT const char *sim_counter_name(size_t index) {
    return index < CN_COUNT ? counter_names[index] : NULL;
}

static void append(const char *text, size_t size) {
    /* Does not wait for ever. In a forked child, the lock may be held by a thread that only the
     * parent has. */
    int tries = 0;
    while (pthread_mutex_trylock(&log_lock) != 0) {
        if (++tries > 1000) {
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    if (log_size + size + 1 > log_room) {
        size_t room = (log_size + size + 1) * 2;
        char *grown = realloc(log_text, room);
        if (grown == NULL) {
            pthread_mutex_unlock(&log_lock);
            return;
        }
        log_text = grown;
        log_room = room;
    }
    memcpy(log_text + log_size, text, size);
    log_size += size;
    log_text[log_size] = 0;
    pthread_mutex_unlock(&log_lock);
}

static void line(const char *prefix, const char *format, va_list arguments) {
    char text[1024];
    size_t at = 0;
    if (prefix != NULL) {
        at = (size_t)snprintf(text, sizeof text, "%s: ", prefix);
    }
    int n = vsnprintf(text + at, sizeof text - at - 1, format, arguments);
    size_t size = at + (n < 0 ? 0 : (size_t)n);
    if (size > sizeof text - 2) {
        size = sizeof text - 2;
    }
    text[size++] = '\n';
    append(text, size);
}

void report_line(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    line(NULL, format, arguments);
    va_end(arguments);
}

void report_fault(enum sim_counter_id counter, const char *format, ...) {
    count(counter, 1);
    va_list arguments;
    va_start(arguments, format);
    line(counter_names[counter], format, arguments);
    va_end(arguments);
}

EXPORT size_t sim_report(char *text, size_t size) {
    pthread_mutex_lock(&log_lock);
    size_t whole = log_size;
    if (text != NULL && size > 0) {
        size_t n = whole < size - 1 ? whole : size - 1;
        if (n > 0) {
            memcpy(text, log_text, n);
        }
        text[n] = 0;
    }
    pthread_mutex_unlock(&log_lock);
    return whole;
}

void report_reset(void) {
    pthread_mutex_lock(&log_lock);
    free(log_text);
    log_text = NULL;
    log_size = log_room = 0;
    pthread_mutex_unlock(&log_lock);
    for (int i = 0; i < CN_COUNT; i++) {
        atomic_store(&counters[i], 0);
    }
}

const char *fourcc_text(UInt32 code) {
    static _Thread_local char text[2][16];
    static _Thread_local int turn;
    char *t = text[turn ^= 1];
    for (int i = 0; i < 4; i++) {
        char c = (char)(code >> (24 - 8 * i));
        if (c < ' ' || c > '~') {
            snprintf(t, sizeof text[0], "%u", code);
            return t;
        }
        t[i + 1] = c;
    }
    t[0] = t[5] = '\'';
    t[6] = 0;
    return t;
}

/* ---- stacks of other threads: a signal handler on that thread collects them ---- */

static void *stack[48];
static _Atomic int stack_depth;

static void take_stack(int signal_number) {
    (void)signal_number;
    atomic_store(&stack_depth, backtrace(stack, 48));
}

static void write_stack(int depth) {
    char **names = backtrace_symbols(stack, depth);
    for (int i = 0; names != NULL && i < depth; i++) {
        report_line("    %s", names[i]);
    }
    free(names);
}

void report_stack_of(sim_thread *thread) {
    if (thread == NULL) {
        return;
    }
    report_line("  thread %ld (%s) in %s:", thread->native_id,
                thread->worker ? thread->worker->role : "client",
                thread->call ? thread->call : "its own code");
    if (pthread_equal(thread->pthread, pthread_self())) {
        write_stack(backtrace(stack, 48));
        return;
    }
#ifdef SIGRTMIN
    int number = SIGRTMIN + 7;
#else
    int number = SIGURG;
#endif
    struct sigaction ours = {.sa_handler = take_stack, .sa_flags = SA_RESTART}, old;
    /* The first call of backtrace loads libraries, which a signal handler must not do. */
    (void)backtrace(stack, 2);
    atomic_store(&stack_depth, 0);
    sigaction(number, &ours, &old);
    if (pthread_kill(thread->pthread, number) == 0) {
        for (int i = 0; i < 500 && atomic_load(&stack_depth) == 0; i++) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    sigaction(number, &old, NULL);
    write_stack(atomic_load(&stack_depth));
}
