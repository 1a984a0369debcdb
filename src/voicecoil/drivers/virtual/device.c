/* The virtual device. See device.h. */
#if defined(__linux__)
#define _GNU_SOURCE
#endif
#include "device.h"

#include "memory.h"
#include "thread.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct client {
    _Atomic(vc_engine *) engine;
    uint32_t channels[2]; /* input, output */
    uint32_t *map[2];
    bool identity[2];    /* the map is 0, 1, 2 ... */
    float *memory[2];    /* two buffers, so that the address changes from cycle to cycle */
    vc_channel *list[2]; /* for VC_LAYOUT_SPLIT */
} client;

struct vc_device {
    vc_device_config config;
    client clients[VC_DEVICE_CLIENTS];
    uint32_t attached;
    _Atomic uint32_t used; /* slots from this index on were never used */

    pthread_t thread;
    pthread_mutex_t lock; /* only for the stepped clock */
    pthread_cond_t moved;
    uint64_t granted; /* cycles that a stepped device may run; under `lock` */
    uint64_t stepped; /* cycles that are over; under `lock` */
    uint64_t begun;   /* cycles that have begun; under `lock` */
    uint64_t owed;    /* cycles of the last step that had not begun; under `lock` */
    bool running;
    _Atomic bool quit;
    _Atomic uint64_t turn; /* odd while clients' cycles run */
    _Atomic int condition;
    vc_queue *faults;

    /* Used only on the IO thread. */
    int64_t frame;
    int64_t started_ns;
    int64_t due_ns; /* host time at which the cycle at `frame` is due */
    int64_t latency_ns[2];
    double ns_per_frame;
    uint64_t cycle;
    vc_fault fault; /* the next one; kind 0: none */
    float *mix;     /* one cycle of the output, interleaved */
    float *line;    /* the loopback: output by frame position & line_mask, interleaved */
    size_t line_mask;
    uint64_t silent_frames; /* silence since the last content; captured when more content comes */
    bool heard;

    _Atomic int64_t late_ns; /* by how much the running cycle takes longer */
    uint32_t clock_reads;    /* by the IO thread during the running client's cycle */

    _Atomic int64_t host_ns; /* host time of a virtual clock */
    _Atomic int64_t shown_frame;
    _Atomic uint64_t lost_frames;
    _Atomic uint64_t capture_lost;
    _Atomic int64_t new_rate;
    vc_ring *capture;
    vc_queue *capture_gaps; /* NULL: silence goes into the ring */
    float *capture_memory;
    uint64_t capture_room; /* frames left of it */
    long owner;            /* process that has the IO thread; a forked child does not have it */
};

enum { INPUT = 0, OUTPUT = 1 };

/* Virtual clocks begin here and not at 0, because 0 would look like a time that was never set. */
enum { VIRTUAL_EPOCH_NS = 1000000000 };

static void *io_thread(void *user);
static void show_time(vc_device *device);

static int64_t frames_to_ns(const vc_device *device, int64_t frames) {
    /* Multiplies, because a division here took a twentieth of the time of a native block. */
    return llrint((double)frames * device->ns_per_frame);
}

/* ---- control ----------------------------------------------------------------------------------
 */

vc_device *vc_device_new(const vc_device_config *config) {
    vc_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return NULL;
    }
    device->config = *config;
    device->owner = (long)getpid();
    device->ns_per_frame = 1e9 / config->samplerate_hz;
    device->latency_ns[INPUT] = frames_to_ns(device, config->input_latency_frames);
    device->latency_ns[OUTPUT] = frames_to_ns(device, config->output_latency_frames);
    /* A cycle of up to `frames` reads frames that are as old as a round trip. */
    size_t trip = (size_t)config->input_latency_frames + config->output_latency_frames;
    assert(!config->loopback || trip >= config->frames);
    size_t needed = trip + 2 * (size_t)config->frames;
    size_t size = 1;
    while (size < needed) {
        size <<= 1;
    }
    device->line_mask = size - 1;
    uint32_t channels = config->output_channels ? config->output_channels : 1;
    device->mix = vc_memory_new((size_t)config->frames * channels, sizeof(float));
    device->line = vc_memory_new(size, channels * sizeof(float));
    device->faults = vc_queue_new(8, sizeof(vc_fault));
    pthread_mutex_init(&device->lock, NULL);
    pthread_cond_init(&device->moved, NULL);
    if (device->mix == NULL || device->line == NULL || device->faults == NULL) {
        vc_device_free(device);
        return NULL;
    }
    device->started_ns = config->epoch_ns ? config->epoch_ns : VIRTUAL_EPOCH_NS;
    show_time(device); /* a virtual clock can be read before the first cycle */
    return device;
}

static void nap(int64_t ns) {
    struct timespec pause = {.tv_sec = ns / 1000000000, .tv_nsec = (long)(ns % 1000000000)};
    nanosleep(&pause, NULL);
}

bool vc_device_wait_for_ring(const vc_ring *ring) {
    for (int naps = 0; naps < 20000; naps++) {
        if (vc_ring_readable(ring) > 0 || vc_ring_finished(ring)) {
            return true;
        }
        nap(200000);
    }
    return false;
}

static bool start_thread(vc_device *device) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (device->config.stack_bytes) {
        pthread_attr_setstacksize(&attributes, device->config.stack_bytes);
    }
    atomic_store(&device->quit, false);
    device->running = pthread_create(&device->thread, &attributes, io_thread, device) == 0;
    pthread_attr_destroy(&attributes);
    return device->running;
}

static void end_thread(vc_device *device) {
    if (!device->running || device->owner != (long)getpid()) {
        return;
    }
    pthread_mutex_lock(&device->lock);
    atomic_store(&device->quit, true);
    pthread_cond_broadcast(&device->moved);
    pthread_mutex_unlock(&device->lock);
    pthread_join(device->thread, NULL);
    device->running = false;
}

void vc_device_free(vc_device *device) {
    if (device == NULL) {
        return;
    }
    end_thread(device);
    if (device->owner == (long)getpid()) { /* a forked child would wait for the parent's thread */
        pthread_mutex_destroy(&device->lock);
        pthread_cond_destroy(&device->moved);
    }
    vc_queue_free(device->faults);
    vc_memory_free(device->mix);
    vc_memory_free(device->line);
    free(device);
}

static void free_client(client *slot) {
    for (int d = INPUT; d <= OUTPUT; d++) {
        free(slot->map[d]);
        vc_memory_free(slot->memory[d]);
        free(slot->list[d]);
        slot->map[d] = NULL;
        slot->memory[d] = NULL;
        slot->list[d] = NULL;
    }
}

bool vc_device_attach(vc_device *device, vc_engine *engine, const uint32_t *input_map,
                      uint32_t input_channels, const uint32_t *output_map,
                      uint32_t output_channels) {
    client *slot = NULL;
    for (uint32_t i = 0; i < VC_DEVICE_CLIENTS && slot == NULL; i++) {
        if (atomic_load(&device->clients[i].engine) == NULL) {
            slot = &device->clients[i];
        }
    }
    if (slot == NULL) {
        return false;
    }
    const uint32_t *maps[2] = {input_map, output_map};
    slot->channels[INPUT] = input_channels;
    slot->channels[OUTPUT] = output_channels;
    for (int d = INPUT; d <= OUTPUT; d++) {
        size_t channels = slot->channels[d];
        slot->map[d] = calloc(channels + 1, sizeof(uint32_t));
        slot->memory[d] = vc_memory_new(2 * device->config.frames * channels + 1, sizeof(float));
        slot->list[d] = calloc(channels + 1, sizeof(vc_channel));
        if (slot->map[d] == NULL || slot->memory[d] == NULL || slot->list[d] == NULL) {
            free_client(slot);
            return false;
        }
        if (channels) {
            memcpy(slot->map[d], maps[d], channels * sizeof(uint32_t));
        }
        slot->identity[d] = true;
        for (uint32_t c = 0; c < channels; c++) {
            slot->identity[d] = slot->identity[d] && maps[d][c] == c;
        }
    }
    uint32_t used = (uint32_t)(slot - device->clients) + 1;
    if (used > atomic_load(&device->used)) {
        atomic_store(&device->used, used);
    }
    atomic_store(&slot->engine, engine);
    if (!device->running && !start_thread(device)) {
        atomic_store(&slot->engine, NULL);
        free_client(slot);
        return false;
    }
    device->attached++;
    return true;
}

bool vc_device_detach(vc_device *device, vc_engine *engine, int64_t deadline_ns) {
    for (uint32_t i = 0; i < VC_DEVICE_CLIENTS; i++) {
        client *slot = &device->clients[i];
        if (atomic_load(&slot->engine) != engine) {
            continue;
        }
        atomic_store(&slot->engine, NULL);
        /* The IO thread makes `turn` odd before it reads the slots. If `turn` is even now, the next
         * cycle finds NULL. If it is odd, the running cycle may still use the engine. */
        uint64_t turn = atomic_load(&device->turn);
        int64_t since = vc_clock_ns();
        while ((turn & 1u) && atomic_load(&device->turn) == turn) {
            if (vc_clock_ns() - since > deadline_ns) {
                atomic_store(&slot->engine, engine);
                return false;
            }
            nap(20000);
        }
        free_client(slot);
        if (--device->attached == 0) {
            end_thread(device);
        }
        return true;
    }
    return true;
}

bool vc_device_step(vc_device *device, uint64_t cycles, int64_t deadline_ns) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(deadline_ns / 1000000000);
    until.tv_nsec += (long)(deadline_ns % 1000000000);
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&device->lock);
    /* A cycle of the last call that ended after its deadline does not count for this call. */
    device->granted =
        (device->granted > device->stepped ? device->granted : device->stepped) + cycles;
    uint64_t target = device->granted;
    pthread_cond_broadcast(&device->moved);
    int error = 0;
    while (device->stepped < target && error == 0 &&
           atomic_load(&device->condition) == VC_DEVICE_WELL) {
        error = pthread_cond_timedwait(&device->moved, &device->lock, &until);
    }
    bool reached = device->stepped >= target || error == 0;
    /* Cycles that have not begun in time are withdrawn. A running cycle still counts for this call.
     */
    device->owed = target > device->begun ? target - device->begun : 0;
    device->granted = device->begun;
    pthread_mutex_unlock(&device->lock);
    return reached;
}

uint64_t vc_device_owed(vc_device *device) {
    pthread_mutex_lock(&device->lock);
    uint64_t owed = device->owed;
    pthread_mutex_unlock(&device->lock);
    return owed;
}

bool vc_device_inject(vc_device *device, const vc_fault *fault) {
    return vc_queue_push(device->faults, fault);
}

vc_device_condition vc_device_get_condition(const vc_device *device) {
    return (vc_device_condition)atomic_load(&device->condition);
}

/* The device whose IO thread the calling thread is; NULL on all other threads. */
static VC_THREAD_LOCAL const vc_device *io_thread_of;

int64_t vc_device_clock_ns(void *user) {
    vc_device *device = user;
    bool real = device->config.clock == VC_CLOCK_REAL;
    int64_t now_ns = real ? vc_clock_ns() : atomic_load(&device->host_ns);
    int64_t late_ns = atomic_load_explicit(&device->late_ns, memory_order_relaxed);
    if (late_ns == 0) { /* the usual case; the clock is read several times in a cycle */
        return now_ns;
    }
    VC_UNPROVEN /* only the first access to a thread-local may allocate; io_thread has made it */
        bool inside = io_thread_of == device;
    VC_PROVEN_AGAIN
    /* The extra time of a late cycle passes between its first and its second reading of the clock.
     * Only readings on the IO thread count, because other threads may read it at any time. */
    return inside && device->clock_reads++ > 0 ? now_ns + late_ns : now_ns;
}

int64_t vc_device_frame(const vc_device *device) { return atomic_load(&device->shown_frame); }

int64_t vc_device_new_rate(const vc_device *device) { return atomic_load(&device->new_rate); }

uint64_t vc_device_lost_frames(const vc_device *device) {
    return atomic_load(&device->lost_frames);
}

void vc_device_capture(vc_device *device, vc_ring *ring, vc_queue *gaps) {
    device->capture = ring;
    device->capture_gaps = gaps;
}

void vc_device_capture_memory(vc_device *device, float *frames, uint64_t count) {
    device->capture_memory = frames;
    device->capture_room = count;
}

uint64_t vc_device_capture_room(const vc_device *device) { return device->capture_room; }

uint64_t vc_device_capture_lost_frames(const vc_device *device) {
    return atomic_load(&device->capture_lost);
}

/* ---- IO thread --------------------------------------------------------------------------------
 */

/* Describes one of the client's two buffers for this cycle, in the device's layout. */
static void buffer(vc_audio *audio, const vc_device *device, client *slot, int direction,
                   uint32_t frames) {
    uint32_t channels = slot->channels[direction];
    float *data =
        slot->memory[direction] + (device->cycle & 1u) * (size_t)device->config.frames * channels;
    audio->data = channels > 0 ? data : NULL;
    audio->frame_stride = (ptrdiff_t)channels;
    audio->channel_stride = 1;
    audio->list = NULL;
    audio->channels = channels;
    audio->reserved = 0;
    if (device->config.layout == VC_LAYOUT_PLANAR) {
        audio->frame_stride = 1;
        audio->channel_stride = (ptrdiff_t)frames;
    } else if (device->config.layout == VC_LAYOUT_SPLIT) {
        for (uint32_t c = 0; c < channels; c++) {
            /* Last channel first, so that no uniform stride describes it by accident. */
            slot->list[direction][c] =
                (vc_channel){data + (size_t)(channels - 1 - c) * device->config.frames, 1};
        }
        audio->data = NULL;
        audio->list = slot->list[direction];
    }
}

static vc_channel channel(const vc_audio *audio, uint32_t c) {
    return audio->data ? (vc_channel){audio->data + (ptrdiff_t)c * audio->channel_stride,
                                      audio->frame_stride}
                       : audio->list[c];
}

static void poison(const vc_device *device, client *slot, int direction) {
    size_t count = 2 * (size_t)device->config.frames * slot->channels[direction];
    for (size_t i = 0; i < count; i++) {
        slot->memory[direction][i] = NAN;
    }
}

/* The part of the loopback memory that begins at `frame`. Shortens `frames` if it would wrap. */
static vc_audio line_at(const vc_device *device, int64_t frame, uint32_t *frames) {
    size_t start = (size_t)frame & device->line_mask;
    size_t room = device->line_mask + 1 - start;
    uint32_t outputs = device->config.output_channels;
    *frames = *frames < room ? *frames : (uint32_t)room;
    return (vc_audio){.data = device->line + start * outputs,
                      .frame_stride = (ptrdiff_t)outputs,
                      .channel_stride = 1,
                      .channels = outputs};
}

static void fill_input(const vc_device *device, const client *slot, const vc_audio *input,
                       uint32_t frames) {
    uint32_t outputs = device->config.output_channels;
    if (!device->config.loopback || outputs == 0) {
        vc_audio_silence(input, 0, frames);
        return;
    }
    int64_t first = device->frame - device->config.input_latency_frames;
    for (uint32_t done = 0; done < frames;) {
        uint32_t now = frames - done;
        vc_audio line = line_at(device, first + done, &now);
        if (slot->identity[INPUT] && input->channels <= outputs) {
            vc_audio_copy(input, done, &line, 0, now);
        } else {
            for (uint32_t c = 0; c < input->channels; c++) {
                vc_channel to = channel(input, c);
                uint32_t source = slot->map[INPUT][c];
                for (uint32_t f = 0; f < now; f++) {
                    to.data[(ptrdiff_t)(done + f) * to.stride] =
                        source < outputs ? line.data[(size_t)f * outputs + source] : 0.0f;
                }
            }
        }
        done += now;
    }
}

/* Adds a client's output to the mix. If `mixed` is false, it replaces the mix of the last cycle. */
static void mix_output(vc_device *device, const client *slot, const vc_audio *output,
                       uint32_t frames, bool mixed) {
    uint32_t outputs = device->config.output_channels;
    size_t bytes = (size_t)frames * outputs * sizeof(float);
    bool same = slot->identity[OUTPUT] && output->channels == outputs &&
                device->config.layout == VC_LAYOUT_INTERLEAVED;
    if (same && mixed) {
        vc_mix_add(device->mix, output->data, frames, outputs, 1.0f, 0.0f);
    } else if (same && outputs) {
        memcpy(device->mix, output->data, bytes);
    } else if (!mixed) {
        memset(device->mix, 0, bytes);
    }
    if (same) {
        return;
    }
    for (uint32_t c = 0; c < output->channels; c++) {
        vc_channel from = channel(output, c);
        uint32_t target = slot->map[OUTPUT][c];
        for (uint32_t f = 0; f < frames; f++) {
            device->mix[(size_t)f * outputs + target] += from.data[(ptrdiff_t)f * from.stride];
        }
    }
}

static bool somebody_hears(const vc_device *device) {
    return device->config.loopback || device->capture != NULL || device->capture_memory != NULL;
}

static uint32_t run_clients(vc_device *device, uint32_t frames, int64_t begin_ns) VC_REALTIME {
    const vc_device_config *config = &device->config;
    const uint32_t both = VC_TIME_HOST | VC_TIME_SAMPLE;
    uint32_t content = 0;
    int64_t in_ns = device->due_ns - device->latency_ns[INPUT];
    int64_t out_ns = device->due_ns + device->latency_ns[OUTPUT];
    bool mixed = false;
    const bool listening = somebody_hears(device);
    uint64_t turn = atomic_load_explicit(&device->turn, memory_order_relaxed);
    /* Sequentially consistent: vc_device_detach relies on `turn` changing before slots are read. */
    atomic_store(&device->turn, turn + 1);
    uint32_t used = atomic_load(&device->used);
    for (uint32_t i = 0; i < used; i++) {
        client *slot = &device->clients[i];
        vc_engine *engine = atomic_load(&slot->engine);
        if (engine == NULL) {
            continue;
        }
        if (config->poison) {
            poison(device, slot, INPUT);
            poison(device, slot, OUTPUT);
        }
        int64_t in = device->frame - config->input_latency_frames;
        int64_t out = device->frame + config->output_latency_frames;
        vc_cycle cycle; /* set field by field, because an initialiser would clear it all first */
        cycle.frames = frames;
        cycle.lost_frames = 0;
        cycle.called_ns = 0;
        cycle.reserved = 0;
        buffer(&cycle.input, device, slot, INPUT, frames);
        buffer(&cycle.output, device, slot, OUTPUT, frames);
        cycle.drain_frames = cycle.output.channels ? config->output_latency_frames : 0;
        cycle.now = (vc_time){begin_ns, device->frame, both, 0};
        cycle.input_time = (vc_time){in_ns, in, both, 0};
        cycle.output_time = (vc_time){out_ns, out, both, 0};
        fill_input(device, slot, &cycle.input, frames);
        device->clock_reads = 0;
        uint32_t made = vc_cycle_run(engine, &cycle);
        content = made > content ? made : content;
        if (listening) {
            mix_output(device, slot, &cycle.output, frames, mixed);
            mixed = true;
        }
        if (config->poison) {
            poison(device, slot, INPUT);
            poison(device, slot, OUTPUT);
        }
    }
    atomic_store_explicit(&device->turn, turn + 2, memory_order_release);
    if (listening && !mixed) {
        memset(device->mix, 0, (size_t)frames * config->output_channels * sizeof(float));
    }
    return content;
}

static void capture(vc_device *device, const float *data, uint32_t frames) {
    if (device->capture_memory != NULL) {
        uint64_t now = frames < device->capture_room ? frames : device->capture_room;
        size_t samples = (size_t)now * device->config.output_channels;
        memcpy(device->capture_memory, data, samples * sizeof(float));
        device->capture_memory += samples;
        device->capture_room -= now;
        return;
    }
    while (frames > 0) {
        uint32_t written = vc_ring_write(device->capture, data, frames);
        data += (size_t)written * device->config.output_channels;
        frames -= written;
        if (frames == 0 || device->config.clock == VC_CLOCK_REAL ||
            atomic_load_explicit(&device->quit, memory_order_relaxed)) {
            break;
        }
        nap(20000);
    }
    if (frames > 0) {
        atomic_fetch_add(&device->capture_lost, frames);
    }
}

/* Captures the silence between two sounds, which may be longer than the ring. */
static void capture_silence(vc_device *device) {
    vc_gap gap = {.frames = device->silent_frames, .cause = VC_GAP_SILENCE};
    if (device->capture_gaps != NULL && device->capture_memory == NULL) {
        gap.position = vc_ring_total_written(device->capture);
        if (vc_queue_push(device->capture_gaps, &gap)) {
            return;
        }
    }
    static const float silence[VC_MAX_CHANNELS];
    uint32_t chunk = VC_MAX_CHANNELS / device->config.output_channels;
    while (device->silent_frames > 0) {
        uint32_t now = device->silent_frames < chunk ? (uint32_t)device->silent_frames : chunk;
        capture(device, silence, now);
        device->silent_frames -= now;
    }
}

static void hear(vc_device *device, uint32_t frames, uint32_t content) {
    uint32_t outputs = device->config.output_channels;
    if (outputs == 0 || !somebody_hears(device)) {
        return;
    }
    int64_t first = device->frame + device->config.output_latency_frames;
    for (uint32_t done = 0; device->config.loopback && done < frames;) {
        uint32_t now = frames - done;
        vc_audio line = line_at(device, first + done, &now);
        memcpy(line.data, device->mix + (size_t)done * outputs,
               (size_t)now * outputs * sizeof(float));
        done += now;
    }
    if (device->capture == NULL && device->capture_memory == NULL) {
        return;
    }
    if (content > 0) {
        if (device->heard && device->silent_frames > 0) {
            capture_silence(device);
        }
        capture(device, device->mix, content);
        device->heard = true;
        device->silent_frames = 0;
    }
    device->silent_frames += frames - content;
}

static void show_time(vc_device *device) VC_REALTIME {
    int64_t host_ns = device->started_ns + frames_to_ns(device, device->frame);
    device->due_ns = host_ns;
    atomic_store_explicit(&device->shown_frame, device->frame, memory_order_release);
    atomic_store_explicit(&device->host_ns, host_ns, memory_order_release);
}

static void lose(vc_device *device, int64_t frames) {
    /* The lost frames are silence. Otherwise the loopback would return frames of earlier cycles. */
    size_t outputs = device->config.output_channels;
    int64_t first = device->frame + device->config.output_latency_frames;
    for (int64_t f = 0; f < frames && f <= (int64_t)device->line_mask; f++) {
        size_t at = ((size_t)(first + f) & device->line_mask) * outputs;
        memset(device->line + at, 0, outputs * sizeof(float));
    }
    device->frame += frames;
    device->silent_frames += (uint64_t)frames;
    atomic_fetch_add(&device->lost_frames, (uint64_t)frames);
    show_time(device);
}

static void apply_fault(vc_device *device, const vc_fault *fault) {
    switch (fault->kind) {
    case VC_FAULT_LATE:
        atomic_store_explicit(&device->late_ns, fault->value, memory_order_relaxed);
        break;
    case VC_FAULT_XRUN:
        lose(device, fault->value);
        break;
    case VC_FAULT_UNPLUG:
        atomic_store(&device->condition, VC_DEVICE_UNPLUGGED);
        break;
    case VC_FAULT_RATE:
        atomic_store(&device->new_rate, fault->value);
        atomic_store(&device->condition, VC_DEVICE_RATE_CHANGED);
        break;
    default:
        break;
    }
}

static void apply_faults(vc_device *device) VC_REALTIME {
    atomic_store_explicit(&device->late_ns, 0, memory_order_relaxed);
    for (;;) {
        if (device->fault.kind == 0 && !vc_queue_pop(device->faults, &device->fault)) {
            return;
        }
        if (device->frame < device->fault.at_frame) {
            return;
        }
        apply_fault(device, &device->fault);
        device->fault.kind = 0;
    }
}

/* Waits until the next cycle is due. Returns false if the thread has to end. */
static bool wait_for_cycle(vc_device *device) {
    if (device->config.clock == VC_CLOCK_FREE) {
        return !atomic_load_explicit(&device->quit, memory_order_relaxed);
    }
    if (device->config.clock == VC_CLOCK_STEPPED) {
        pthread_mutex_lock(&device->lock);
        while (device->stepped >= device->granted && !atomic_load(&device->quit)) {
            pthread_cond_wait(&device->moved, &device->lock);
        }
        bool quit = atomic_load(&device->quit);
        if (!quit) {
            device->begun = device->stepped + 1;
        }
        pthread_mutex_unlock(&device->lock);
        return !quit;
    }
    int64_t due = device->due_ns;
    int64_t left = due - vc_clock_ns();
    if (-left > frames_to_ns(device, device->config.tolerance_frames)) {
        uint32_t frames = device->config.frames;
        int64_t late = llrint((double)-left * device->config.samplerate_hz / 1e9);
        lose(device, (late + frames - 1) / frames * frames);
        left = device->due_ns - vc_clock_ns();
    }
    /* In pieces, so that a device with long cycles still ends promptly. */
    while (left > 0 && !atomic_load(&device->quit)) {
        nap(left < 20000000 ? left : 20000000);
        left = device->due_ns - vc_clock_ns();
    }
    return !atomic_load(&device->quit);
}

static void finish_step(vc_device *device) {
    if (device->config.clock == VC_CLOCK_STEPPED) {
        pthread_mutex_lock(&device->lock);
        /* Wakes the waiting thread only after the last cycle, because a wake-up costs more than a
         * cycle. */
        if (++device->stepped == device->granted) {
            pthread_cond_broadcast(&device->moved);
        }
        pthread_mutex_unlock(&device->lock);
    }
}

static void *io_thread(void *user) {
    vc_device *device = user;
    const vc_device_config *config = &device->config;
    io_thread_of = device;
    vc_thread_name("voicecoil io");
    /* The time line goes on where it was when the device ran before. */
    if (device->config.output_channels) {
        /* Output from before the device was stopped does not come in through the loopback now. */
        memset(device->line, 0,
               ((size_t)device->line_mask + 1) * config->output_channels * sizeof(float));
    }
    if (config->clock == VC_CLOCK_REAL) {
        device->started_ns = vc_clock_ns() - frames_to_ns(device, device->frame);
    }
    show_time(device);
    while (wait_for_cycle(device)) {
        apply_faults(device);
        if (atomic_load(&device->condition) != VC_DEVICE_WELL) {
            break;
        }
        uint32_t frames = config->pattern_length
                              ? config->pattern[device->cycle % config->pattern_length]
                              : config->frames;
        int64_t begin_ns =
            config->clock == VC_CLOCK_REAL ? vc_clock_ns() : atomic_load(&device->host_ns);
        uint32_t content = run_clients(device, frames, begin_ns);
        if (config->clock == VC_CLOCK_REAL && device->late_ns > 0) {
            nap(device->late_ns); /* the time that the clients' clock already showed */
        }
        hear(device, frames, content);
        device->frame += frames;
        device->cycle++;
        show_time(device);
        finish_step(device);
    }
    /* Wakes a thread that waits in vc_device_step, because no more cycles will come. */
    pthread_mutex_lock(&device->lock);
    pthread_cond_broadcast(&device->moved);
    pthread_mutex_unlock(&device->lock);
    return NULL;
}
