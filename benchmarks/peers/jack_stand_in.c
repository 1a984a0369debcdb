/* A JACK library without a server. It calls a client's process callback again as soon as it
 * returns.
 *
 * This library is built as libjack.so.0, and LD_LIBRARY_PATH makes programs load it in place of the
 * real one. It measures only the time that an audio library takes for one block, without wake-ups,
 * other processes, or waits for a clock. When a client is deactivated, this library appends a line
 * with three numbers to the file that JACK_STAND_IN_REPORT names:
 *
 *     blocks  processor time of the IO thread in ns  allocations on it
 *
 * The first WARM_UP blocks are not counted. JACK_STAND_IN_FRAMES is the number of frames in a block
 * (default 64). The allocations are those that count_allocations.c has counted, or 0 without it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RATE_HZ = 48000, MAX_PORTS = 64, MAX_FRAMES = 8192, WARM_UP = 2000, NOTED = 1024 };
enum { IS_INPUT = 1, IS_OUTPUT = 2, IS_PHYSICAL = 4, IS_TERMINAL = 16 };

typedef struct port {
    char name[64];
    int flags;
    bool used;
    bool mine;
    _Alignas(64) float data[MAX_FRAMES];
} port;

typedef struct client {
    char name[64];
    port ports[MAX_PORTS];
    int (*process)(uint32_t, void *);
    void *process_argument;
    int (*buffer_size)(uint32_t, void *);
    void *buffer_size_argument;
    void (*thread_init)(void *);
    void *thread_init_argument;
    pthread_t thread;
    _Atomic bool running;
    _Atomic uint64_t blocks;
    /* Updated at intervals by the IO thread, so that a reader only reads memory, as with a real
     * server. */
    _Atomic uint64_t cycle_us;
} client;

static const char *const PHYSICAL[] = {"system:capture_1", "system:capture_2", "system:playback_1",
                                       "system:playback_2"};

static uint32_t frames(void) {
    static _Atomic uint32_t known; /* cached, because libraries ask for the size in each block */
    uint32_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (size == 0) {
        const char *wanted = getenv("JACK_STAND_IN_FRAMES");
        size = wanted ? (uint32_t)atoi(wanted) : 64;
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t jack_get_time(void) { return clock_ns(CLOCK_MONOTONIC) / 1000; }

static void *io_thread(void *argument) {
    client *self = argument;
    uint64_t (*allocations)(void) =
        (uint64_t (*)(void))dlsym(RTLD_DEFAULT, "allocations_of_this_thread");
    if (self->thread_init != NULL) {
        self->thread_init(self->thread_init_argument);
    }
    uint32_t size = frames();
    uint64_t began = 0, allocated = 0, blocks = 0;
    while (atomic_load_explicit(&self->running, memory_order_relaxed)) {
        if (blocks == WARM_UP) {
            allocated = allocations ? allocations() : 0;
            began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        }
        if (blocks % NOTED == 0) {
            atomic_store_explicit(&self->cycle_us, jack_get_time(), memory_order_relaxed);
        }
        if (self->process(size, self->process_argument) != 0) {
            break;
        }
        atomic_store_explicit(&self->blocks, ++blocks, memory_order_relaxed);
    }
    uint64_t taken = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
    allocated = (allocations ? allocations() : 0) - allocated;
    const char *report = getenv("JACK_STAND_IN_REPORT");
    FILE *file = report && blocks > WARM_UP ? fopen(report, "w") : NULL;
    if (file != NULL) {
        fprintf(file, "%llu %llu %llu\n", (unsigned long long)(blocks - WARM_UP),
                (unsigned long long)taken, (unsigned long long)allocated);
        fclose(file);
    }
    return NULL;
}

/* ---- clients ----------------------------------------------------------------------------------
 */

client *jack_client_open(const char *name, int options, int *status, ...) {
    (void)options;
    client *self = calloc(1, sizeof *self);
    snprintf(self->name, sizeof self->name, "%s", name);
    for (size_t i = 0; i < 4; i++) {
        port *physical = &self->ports[i];
        snprintf(physical->name, sizeof physical->name, "%s", PHYSICAL[i]);
        physical->flags = IS_PHYSICAL | IS_TERMINAL | (i < 2 ? IS_OUTPUT : IS_INPUT);
        physical->used = true;
    }
    if (status != NULL) {
        *status = 0;
    }
    return self;
}

int jack_activate(client *self) {
    if (self->buffer_size != NULL) {
        self->buffer_size(frames(), self->buffer_size_argument);
    }
    if (self->process != NULL && !atomic_exchange(&self->running, true)) {
        pthread_create(&self->thread, NULL, io_thread, self);
    }
    return 0;
}

int jack_deactivate(client *self) {
    if (atomic_exchange(&self->running, false)) {
        pthread_join(self->thread, NULL);
    }
    return 0;
}

int jack_client_close(client *self) {
    jack_deactivate(self);
    free(self);
    return 0;
}

int jack_client_name_size(void) { return 64; }
char *jack_get_client_name(client *self) { return self->name; }
uint32_t jack_get_sample_rate(client *self) { return (void)self, RATE_HZ; }
uint32_t jack_get_buffer_size(client *self) { return (void)self, frames(); }
int jack_set_buffer_size(client *self, uint32_t size) {
    return (void)self, size == frames() ? 0 : -1;
}
int jack_is_realtime(client *self) { return (void)self, 0; }
float jack_cpu_load(client *self) { return (void)self, 0.0f; }
pthread_t jack_client_thread_id(client *self) { return self->thread; }
int jack_client_real_time_priority(client *self) { return (void)self, -1; }
void jack_free(void *memory) { free(memory); }

/* ---- callbacks --------------------------------------------------------------------------------
 */

int jack_set_process_callback(client *self, int (*function)(uint32_t, void *), void *argument) {
    self->process = function;
    self->process_argument = argument;
    return 0;
}

int jack_set_buffer_size_callback(client *self, int (*function)(uint32_t, void *), void *argument) {
    self->buffer_size = function;
    self->buffer_size_argument = argument;
    return 0;
}

int jack_set_thread_init_callback(client *self, void (*function)(void *), void *argument) {
    self->thread_init = function;
    self->thread_init_argument = argument;
    return 0;
}

/* Callbacks for events that never happen here. */
#define NEVER(name)                                                                                \
    int name(client *self, void *function, void *argument) {                                       \
        return (void)self, (void)function, (void)argument, 0;                                      \
    }
NEVER(jack_set_xrun_callback)
NEVER(jack_set_sample_rate_callback)
NEVER(jack_set_freewheel_callback)
NEVER(jack_set_graph_order_callback)
NEVER(jack_set_latency_callback)
NEVER(jack_set_client_registration_callback)
NEVER(jack_set_port_registration_callback)
NEVER(jack_set_port_connect_callback)
NEVER(jack_set_port_rename_callback)
void jack_on_shutdown(client *self, void *function, void *argument) {
    (void)self, (void)function, (void)argument;
}
void jack_on_info_shutdown(client *self, void *function, void *argument) {
    (void)self, (void)function, (void)argument;
}
void jack_set_error_function(void *function) { (void)function; }
void jack_set_info_function(void *function) { (void)function; }

/* ---- ports ------------------------------------------------------------------------------------
 */

port *jack_port_register(client *self, const char *name, const char *type, unsigned long flags,
                         unsigned long size) {
    (void)type, (void)size;
    for (size_t i = 0; i < MAX_PORTS; i++) {
        port *free_one = &self->ports[i];
        if (!free_one->used) {
            char full[64]; /* needed because the compiler assumes that the names may
                              overlap */
            snprintf(full, sizeof full, "%.30s:%.30s", self->name, name);
            memcpy(free_one->name, full, sizeof full);
            free_one->flags = (int)flags;
            free_one->used = free_one->mine = true;
            return free_one;
        }
    }
    return NULL;
}

int jack_port_unregister(client *self, port *which) {
    (void)self;
    which->used = false;
    return 0;
}

void *jack_port_get_buffer(port *which, uint32_t size) {
    (void)size;
    return which->data;
}

const char **jack_get_ports(client *self, const char *name, const char *type, unsigned long flags) {
    (void)type;
    const char **found = calloc(MAX_PORTS + 1, sizeof *found);
    size_t count = 0;
    /* The only search that the libraries make is for the ports of the physical client. */
    bool all = name == NULL || *name == '\0' || strstr(name, "system") || strstr(name, ".*");
    for (size_t i = 0; i < MAX_PORTS; i++) {
        const port *one = &self->ports[i];
        bool wanted = all || (name != NULL && strcmp(one->name, name) == 0);
        if (one->used && wanted && ((unsigned long)one->flags & flags) == flags) {
            found[count++] = one->name;
        }
    }
    if (count == 0) {
        free(found);
        return NULL;
    }
    return found;
}

port *jack_port_by_name(client *self, const char *name) {
    for (size_t i = 0; i < MAX_PORTS; i++) {
        if (self->ports[i].used && strcmp(self->ports[i].name, name) == 0) {
            return &self->ports[i];
        }
    }
    return NULL;
}

const char *jack_port_name(const port *which) { return which->name; }
const char *jack_port_short_name(const port *which) { return strchr(which->name, ':') + 1; }
const char *jack_port_type(const port *which) { return (void)which, "32 bit float mono audio"; }
int jack_port_flags(const port *which) { return which->flags; }
int jack_port_is_mine(const client *self, const port *which) { return (void)self, which->mine; }
int jack_port_connected(const port *which) { return (void)which, 1; }
int jack_port_connected_to(const port *which, const char *name) {
    return (void)which, (void)name, 1;
}
int jack_port_name_size(void) { return 64; }
int jack_port_type_size(void) { return 32; }
uint32_t jack_port_get_latency(port *which) { return (void)which, frames(); }
void jack_port_get_latency_range(port *which, int mode, uint32_t *range) {
    (void)which, (void)mode;
    range[0] = range[1] = frames();
}
int jack_port_get_aliases(const port *which, char *const aliases[2]) {
    return (void)which, (void)aliases, 0;
}
int jack_connect(client *self, const char *from, const char *to) {
    return (void)self, (void)from, (void)to, 0;
}
int jack_disconnect(client *self, const char *from, const char *to) {
    return (void)self, (void)from, (void)to, 0;
}
int jack_port_disconnect(client *self, port *which) { return (void)self, (void)which, 0; }

/* ---- time -------------------------------------------------------------------------------------
 */

uint32_t jack_last_frame_time(const client *self) {
    return (uint32_t)(atomic_load_explicit(&self->blocks, memory_order_relaxed) * frames());
}
uint32_t jack_frame_time(const client *self) { return jack_last_frame_time(self); }
uint32_t jack_frames_since_cycle_start(const client *self) { return (void)self, 0; }
int jack_get_cycle_times(const client *self, uint32_t *frame, uint64_t *now_us, uint64_t *next_us,
                         float *period_us) {
    *frame = jack_last_frame_time(self);
    *now_us = atomic_load_explicit(&self->cycle_us, memory_order_relaxed);
    *period_us = (float)frames() * 1e6f / RATE_HZ;
    *next_us = *now_us + (uint64_t)*period_us;
    return 0;
}
