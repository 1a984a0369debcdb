/* Two JACK clients act as a sound card, for a server that has none. They keep the frames that
 * arrive at the playback ports, and send them from the capture ports one period later. Because
 * source and sink are separate clients, the graph source -> program -> sink has no loop, and JACK
 * runs the clients in this order. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 8, MAX_PERIOD = 8192 };
enum { IS_INPUT = 1, IS_OUTPUT = 2, IS_PHYSICAL = 4, IS_TERMINAL = 16 };
enum { CAPTURE_LATENCY = 0, PLAYBACK_LATENCY = 1 };
enum { NO_START_SERVER = 1 };

typedef struct client client;
typedef struct port port;
typedef struct range {
    uint32_t minimum, maximum;
} range;

static client *(*open_client)(const char *, int, int *, ...);
static int (*close_client)(client *);
static int (*activate)(client *);
static int (*set_process)(client *, int (*)(uint32_t, void *), void *);
static int (*set_latency)(client *, void (*)(int, void *), void *);
static port *(*new_port)(client *, const char *, const char *, unsigned long, unsigned long);
static float *(*buffer_of)(port *, uint32_t);
static void (*set_range)(port *, int, range *);
static uint32_t (*frame_time)(const client *);
static uint32_t (*period_of)(const client *);
static void (*set_error)(void (*)(const char *));
static void (*set_info)(void (*)(const char *));

static client *sink, *source;
static port *playback[MAX_CHANNELS], *capture[MAX_CHANNELS];
static unsigned channels;
static uint32_t period;
static uint32_t beyond[2]; /* latency of the card's own converters: capture, playback */

static float *memory;
static size_t capacity_frames;
static _Atomic size_t kept_frames;
static _Atomic uint64_t cycles;

static pthread_mutex_t cable = PTHREAD_MUTEX_INITIALIZER;
static float newest[MAX_CHANNELS][MAX_PERIOD], before[MAX_CHANNELS][MAX_PERIOD];
static uint32_t newest_time;

static void say_nothing(const char *text) { (void)text; }

static int run_sink(uint32_t frames, void *unused) {
    (void)unused;
    pthread_mutex_lock(&cable);
    memcpy(before, newest, sizeof newest);
    newest_time = frame_time(sink);
    size_t at = kept_frames;
    for (unsigned c = 0; c < channels; c++) {
        const float *from = buffer_of(playback[c], frames);
        memcpy(newest[c], from, frames * sizeof(float));
        for (uint32_t f = 0; at + frames <= capacity_frames && f < frames; f++) {
            memory[(at + f) * channels + c] = from[f];
        }
    }
    if (at + frames <= capacity_frames) {
        kept_frames = at + frames;
    }
    pthread_mutex_unlock(&cable);
    cycles++;
    return 0;
}

static int run_source(uint32_t frames, void *unused) {
    (void)unused;
    pthread_mutex_lock(&cable);
    float (*from)[MAX_PERIOD] = newest_time == frame_time(source) ? before : newest;
    for (unsigned c = 0; c < channels; c++) {
        memcpy(buffer_of(capture[c], frames), from[c], frames * sizeof(float));
    }
    pthread_mutex_unlock(&cable);
    return 0;
}

static void tell_latency(int mode, void *unused) {
    (void)unused;
    range in = {period + beyond[0], period + beyond[0]};
    range out = {beyond[1], beyond[1]};
    for (unsigned c = 0; c < channels; c++) {
        if (mode == PLAYBACK_LATENCY) {
            set_range(playback[c], mode, &out);
        } else {
            set_range(capture[c], mode, &in);
        }
    }
}

static void *find(void *library, const char *name) {
    void *function = dlsym(library, name);
    if (function == NULL) {
        abort();
    }
    return function;
}

static void load(void) {
    void *library = dlopen("libjack.so.0", RTLD_NOW);
    if (library == NULL) {
        abort();
    }
    open_client = find(library, "jack_client_open");
    close_client = find(library, "jack_client_close");
    activate = find(library, "jack_activate");
    set_process = find(library, "jack_set_process_callback");
    set_latency = find(library, "jack_set_latency_callback");
    new_port = find(library, "jack_port_register");
    buffer_of = (float *(*)(port *, uint32_t))find(library, "jack_port_get_buffer");
    set_range = find(library, "jack_port_set_latency_range");
    frame_time = find(library, "jack_last_frame_time");
    period_of = find(library, "jack_get_buffer_size");
    set_error = find(library, "jack_set_error_function");
    set_info = find(library, "jack_set_info_function");
    set_error(say_nothing);
    set_info(say_nothing);
}

static port *add_port(client *of, const char *name, unsigned number, unsigned long way) {
    char full[] = "playback_0";
    strcpy(full, name);
    strcat(full, (char[]){'_', (char)('1' + number), 0});
    return new_port(of, full, "32 bit float mono audio", way | IS_PHYSICAL | IS_TERMINAL, 0);
}

/* Plugs the card in. Returns 0, or 1 if there is no server yet. */
int card_plug(unsigned with_channels, float *to, size_t frames) {
    if (open_client == NULL) {
        load();
    }
    int status = 0;
    sink = open_client("card-sink", NO_START_SERVER, &status);
    source = sink == NULL ? NULL : open_client("card-source", NO_START_SERVER, &status);
    if (source == NULL) {
        return 1;
    }
    channels = with_channels;
    memory = to;
    capacity_frames = frames;
    kept_frames = 0;
    period = period_of(sink);
    memset(newest, 0, sizeof newest);
    set_process(sink, run_sink, NULL);
    set_process(source, run_source, NULL);
    set_latency(sink, tell_latency, NULL);
    set_latency(source, tell_latency, NULL);
    for (unsigned c = 0; c < channels; c++) {
        playback[c] = add_port(sink, "playback", c, IS_INPUT);
        capture[c] = add_port(source, "capture", c, IS_OUTPUT);
    }
    tell_latency(CAPTURE_LATENCY, NULL);
    tell_latency(PLAYBACK_LATENCY, NULL);
    return activate(sink) || activate(source);
}

/* Sets the latencies beyond JACK's buffers, frames. */
void card_set_latencies(uint32_t capture_frames, uint32_t playback_frames) {
    beyond[0] = capture_frames;
    beyond[1] = playback_frames;
    tell_latency(CAPTURE_LATENCY, NULL);
    tell_latency(PLAYBACK_LATENCY, NULL);
}

void card_unplug(void) {
    close_client(source);
    close_client(sink);
}

/* Forgets the captured frames. */
void card_reset(void) {
    pthread_mutex_lock(&cable);
    kept_frames = 0;
    memset(newest, 0, sizeof newest);
    memset(before, 0, sizeof before);
    pthread_mutex_unlock(&cable);
}

size_t card_frames(void) { return kept_frames; }
uint64_t card_cycles(void) { return cycles; }
