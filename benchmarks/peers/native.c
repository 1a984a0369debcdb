/* C code that serves as the reference for the measurements of Python libraries.
 *
 * `peer_empty` and `peer_fill` are native callbacks of voicecoil. With a peer_times* as user
 * pointer they also record the times of their calls. `jack_floor` is a C client that uses JACK
 * without any other audio library. No library can be faster than this client. */
#define _GNU_SOURCE
#include "voicecoil.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef struct peer_times {
    uint64_t capacity;
    _Atomic uint64_t count;
    int64_t *began_ns;
    int64_t *ended_ns;
} peer_times;

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void note(peer_times *times, int64_t began_ns) {
    uint64_t at = atomic_load_explicit(&times->count, memory_order_relaxed);
    if (at < times->capacity) {
        times->began_ns[at] = began_ns;
        times->ended_ns[at] = clock_ns();
    }
    atomic_store_explicit(&times->count, at + 1, memory_order_release);
}

int32_t peer_empty(float *output, const float *input, uint32_t frames, const vc_block *block,
                   void *user) {
    (void)output, (void)input, (void)frames, (void)block;
    if (user != NULL) {
        note(user, clock_ns());
    }
    return VC_CONTINUE;
}

int32_t peer_fill(float *output, const float *input, uint32_t frames, const vc_block *block,
                  void *user) {
    (void)input;
    int64_t began_ns = user != NULL ? clock_ns() : 0;
    for (size_t i = 0; i < (size_t)frames * block->output.channels; i++) {
        output[i] = 0.1f;
    }
    if (user != NULL) {
        note(user, began_ns);
    }
    return VC_CONTINUE;
}

/* ---- a JACK client in C ------------------------------------------------------------------------
 */

typedef struct jack_floor {
    void *(*get_buffer)(void *, uint32_t);
    void *ports[2];
    int fill;
    peer_times *times;
} jack_floor;

static int jack_floor_process(uint32_t frames, void *user) {
    jack_floor *self = user;
    int64_t began_ns = self->times != NULL ? clock_ns() : 0;
    for (int channel = 0; channel < 2; channel++) {
        float *data = self->get_buffer(self->ports[channel], frames);
        for (uint32_t i = 0; self->fill && i < frames; i++) {
            data[i] = 0.1f;
        }
    }
    if (self->times != NULL) {
        note(self->times, began_ns);
    }
    return 0;
}

static void *symbol(const char *name) {
    static void *library;
    if (library == NULL) {
        library = dlopen("libjack.so.0", RTLD_NOW | RTLD_GLOBAL);
    }
    return library ? dlsym(library, name) : NULL;
}

/* Opens, connects and starts the client. Returns NULL if there is no server. `jack_floor_close`
 * ends it. */
void *jack_floor_open(int fill, peer_times *times) {
    void *(*open)(const char *, int, int *, ...) =
        (void *(*)(const char *, int, int *, ...))symbol("jack_client_open");
    int (*set_process)(void *, int (*)(uint32_t, void *), void *) =
        (int (*)(void *, int (*)(uint32_t, void *), void *))symbol("jack_set_process_callback");
    void *(*register_port)(void *, const char *, const char *, unsigned long, unsigned long) =
        (void *(*)(void *, const char *, const char *, unsigned long, unsigned long))symbol(
            "jack_port_register");
    int (*activate)(void *) = (int (*)(void *))symbol("jack_activate");
    int (*join)(void *, const char *, const char *) =
        (int (*)(void *, const char *, const char *))symbol("jack_connect");
    jack_floor *self = calloc(1, sizeof *self);
    int status = 0;
    void *client = open ? open("floor", 1 /* JackNoStartServer */, &status) : NULL;
    if (client == NULL || self == NULL) {
        return NULL;
    }
    self->get_buffer = (void *(*)(void *, uint32_t))symbol("jack_port_get_buffer");
    self->fill = fill;
    self->times = times;
    static const char *const names[] = {"out_1", "out_2"};
    for (int channel = 0; channel < 2; channel++) {
        self->ports[channel] =
            register_port(client, names[channel], "32 bit float mono audio", 2, 0);
    }
    set_process(client, jack_floor_process, self);
    activate(client);
    join(client, "floor:out_1", "system:playback_1");
    join(client, "floor:out_2", "system:playback_2");
    return client;
}

void jack_floor_close(void *client) {
    int (*close)(void *) = (int (*)(void *))symbol("jack_client_close");
    close(client);
}
