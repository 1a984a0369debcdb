/* device_description.c: makes a device from a line of text. A table lists the keys of this line,
 * and README.md explains them. */
#include "world.h"

#include <math.h>

typedef void (*key_fn)(device *d, const char *value);

char *text_copy(const char *text) {
    size_t size = strlen(text) + 1;
    char *c = malloc(size);
    memcpy(c, text, size);
    return c;
}

/* Whether the value of the present key is impossible. Guarded by the lock of the world. */
static bool impossible;

/* One number of a list. */
static UInt32 number(const char *value) {
    char *end;
    value += strspn(value, " ");
    unsigned long long n = strtoull(value, &end, 0);
    impossible |= *value < '0' || *value > '9' || n > UINT32_MAX || strchr(", ", *end) == NULL;
    return (UInt32)n;
}

static double real(const char *value, char **end) {
    double n = strtod(value, end);
    impossible |= *end == value || !isfinite(n) || strchr(",- ", **end) == NULL;
    return n;
}

static double positive(const char *value, char **end) {
    double n = real(value, end);
    impossible |= n <= 0;
    return n;
}

static void text_into(char **field, const char *value) {
    free(*field);
    *field = text_copy(value);
}

static void key_uid(device *d, const char *v) { text_into(&d->uid, v); }
static void key_name(device *d, const char *v) { text_into(&d->name, v); }
static void key_maker(device *d, const char *v) { text_into(&d->maker, v); }
static void key_model(device *d, const char *v) { text_into(&d->model_uid, v); }

static void key_noname(device *d, const char *v) {
    (void)v;
    free(d->name);
    d->name = NULL;
}

static void key_transport(device *d, const char *v) {
    static const struct {
        const char *name;
        UInt32 value;
    } names[] = {{"built-in", kAudioDeviceTransportTypeBuiltIn},
                 {"usb", kAudioDeviceTransportTypeUSB},
                 {"hdmi", kAudioDeviceTransportTypeHDMI},
                 {"displayport", kAudioDeviceTransportTypeDisplayPort},
                 {"thunderbolt", kAudioDeviceTransportTypeThunderbolt},
                 {"bluetooth", kAudioDeviceTransportTypeBluetooth},
                 {"continuity", kAudioDeviceTransportTypeContinuityCaptureWireless},
                 {"virtual", kAudioDeviceTransportTypeVirtual},
                 {"pci", kAudioDeviceTransportTypePCI}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, v) == 0) {
            d->transport = names[i].value;
            return;
        }
    }
    impossible = true;
}

static void add_streams(device *d, int direction, const char *v) {
    UInt32 channel = 1;
    while (*v != 0 && d->stream_count[direction] < MAX_STREAMS) {
        stream *s = calloc(1, sizeof *s);
        s->direction = (UInt32)direction;
        s->index = (UInt32)d->stream_count[direction];
        s->starting_channel = channel;
        s->channels = number(v);
        impossible |= s->channels > 1024; /* takes no memory that the machine lacks */
        stream_add_formats(s, "i24,i16,i24/32,i32,f32");
        s->active = true;
        channel += s->channels;
        d->streams[direction][d->stream_count[direction]++] = s;
        v = strchr(v, ',') ? strchr(v, ',') + 1 : "";
    }
}
static void key_in(device *d, const char *v) { add_streams(d, INPUT, v); }
static void key_out(device *d, const char *v) { add_streams(d, OUTPUT, v); }

static void key_rates(device *d, const char *v) {
    d->rate_count = 0;
    while (*v != 0 && d->rate_count < MAX_RATES) {
        char *end;
        double low = positive(v, &end), high = low;
        if (*end == '-') {
            high = positive(end + 1, &end);
        }
        impossible |= high < low;
        d->rates[d->rate_count][0] = low;
        d->rates[d->rate_count++][1] = high;
        v = *end == ',' ? end + 1 : "";
    }
}

static void key_rate(device *d, const char *v) { d->rate = positive(v, &(char *){0}); }
static void key_buffer(device *d, const char *v) { d->buffer_frames = number(v); }
static void key_buffer_range(device *d, const char *v) {
    char *end;
    d->buffer_min = (UInt32)positive(v, &end);
    d->buffer_max = d->base_buffer_max = number(*end ? end + 1 : end);
    impossible |= d->buffer_max < d->buffer_min;
}
static void key_latency_in(device *d, const char *v) { d->latency[INPUT] = number(v); }
static void key_latency_out(device *d, const char *v) { d->latency[OUTPUT] = number(v); }
static void key_safety_in(device *d, const char *v) { d->safety[INPUT] = number(v); }
static void key_safety_out(device *d, const char *v) { d->safety[OUTPUT] = number(v); }

static void stream_latency(device *d, int direction, const char *v) {
    for (size_t i = 0; i < d->stream_count[direction]; i++) {
        d->streams[direction][i]->latency_frames = number(v);
    }
}
static void key_stream_latency_in(device *d, const char *v) { stream_latency(d, INPUT, v); }
static void key_stream_latency_out(device *d, const char *v) { stream_latency(d, OUTPUT, v); }
static void key_clock_domain(device *d, const char *v) { d->clock_domain = number(v); }
static void key_ppm(device *d, const char *v) { d->ppm = real(v, &(char *){0}); }
static void key_model_name(device *d, const char *v) { text_into(&d->model_name, v); }
static void key_serial_number(device *d, const char *v) { text_into(&d->serial_number, v); }
static void key_firmware(device *d, const char *v) { text_into(&d->firmware, v); }
static void key_clock_device(device *d, const char *v) { text_into(&d->clock_device, v); }
static void key_identify(device *d, const char *v) { d->identifies = number(v) != 0; }
static void key_channel_names(device *d, const char *v) { d->names_channels = number(v) != 0; }
static void key_headset(device *d, const char *v) { text_into(&d->headset, v); }
static void key_call_rate(device *d, const char *v) { d->call_rate = positive(v, &(char *){0}); }
static void key_flaps(device *d, const char *v) { d->flaps = number(v); }
static void key_takes_default(device *d, const char *v) {
    d->becomes_default[INPUT] = strstr(v, "in") != NULL;
    d->becomes_default[OUTPUT] = strstr(v, "out") != NULL;
}
static void key_formats(device *d, const char *v) {
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            stream_add_formats(d->streams[direction][i], v);
        }
    }
}

static void key_default(device *d, const char *v) {
    d->can_be_default[INPUT] = strstr(v, "in") != NULL;
    d->can_be_default[OUTPUT] = strstr(v, "out") != NULL;
}
static void key_stereo(device *d, const char *v) {
    const char *second = strchr(v, ',');
    for (int direction = 0; direction < 2; direction++) {
        d->stereo_pair[direction][0] = number(v);
        d->stereo_pair[direction][1] = second ? number(second + 1) : 0;
    }
}

static void key_hidden(device *d, const char *v) { d->hidden = number(v) != 0; }
static void key_loopback(device *d, const char *v) {
    d->input = number(v) ? SIM_INPUT_LOOPBACK : SIM_INPUT_ENCODED;
}
static void key_variable(device *d, const char *v) { d->variable_frames = number(v); }
static void key_reports_old_rate(device *d, const char *v) { d->reports_old_rate = number(v) != 0; }
static void key_hang_start(device *d, const char *v) {
    char *end;
    d->hang_start_ns = strcmp(v, "forever") == 0 ? SIM_FOREVER : (uint64_t)positive(v, &end);
}
static void key_model_global_only(device *d, const char *v) {
    d->model_uid_global_only = number(v) != 0;
}

static const struct {
    const char *name;
    key_fn fn;
} keys[] = {{"uid", key_uid},
            {"name", key_name},
            {"noname", key_noname},
            {"maker", key_maker},
            {"model", key_model},
            {"transport", key_transport},
            {"in", key_in},
            {"out", key_out},
            {"rates", key_rates},
            {"rate", key_rate},
            {"buffer", key_buffer},
            {"buffer_range", key_buffer_range},
            {"latency_in", key_latency_in},
            {"latency_out", key_latency_out},
            {"safety_in", key_safety_in},
            {"safety_out", key_safety_out},
            {"stream_latency_in", key_stream_latency_in},
            {"stream_latency_out", key_stream_latency_out},
            {"clock_domain", key_clock_domain},
            {"ppm", key_ppm},
            {"model_name", key_model_name},
            {"serial_number", key_serial_number},
            {"firmware", key_firmware},
            {"clock_device", key_clock_device},
            {"identify", key_identify},
            {"channel_names", key_channel_names},
            {"formats", key_formats},
            {"headset", key_headset},
            {"call_rate", key_call_rate},
            {"flaps", key_flaps},
            {"takes_default", key_takes_default},
            {"volume", controls_key_volume},
            {"sources", controls_key_sources},
            {"controls", controls_key_controls},
            {"default", key_default},
            {"hidden", key_hidden},
            {"stereo", key_stereo},
            {"loopback", key_loopback},
            {"variable", key_variable},
            {"reports_old_rate", key_reports_old_rate},
            {"hang_start", key_hang_start},
            {"model_global_only", key_model_global_only}};

/* Returns whether the key is known. An impossible value makes `fine` false. */
static bool apply(device *d, char *pair, bool *fine) {
    while (*pair == ' ') {
        pair++;
    }
    char *value = strchr(pair, '=');
    if (*pair == 0) {
        return true;
    }
    if (value == NULL) {
        return false;
    }
    *value++ = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].name, pair) == 0) {
            impossible = false;
            keys[i].fn(d, value);
            if (impossible) {
                report_line("sim_add_device: '%s' is no value of '%s'", value, pair);
            }
            *fine &= !impossible;
            return true;
        }
    }
    return false;
}

device *device_from_description(const char *description, UInt32 serial, AudioObjectID *id) {
    device *d = calloc(1, sizeof *d);
    d->description = text_copy(description);
    d->serial = serial;
    d->name = text_copy("Simulated");
    d->maker = text_copy("Simulated");
    d->transport = kAudioDeviceTransportTypeVirtual;
    d->buffer_frames = 512;
    d->buffer_min = 15;
    d->buffer_max = d->base_buffer_max = 4096;
    d->can_be_default[INPUT] = d->can_be_default[OUTPUT] = true;
    d->hog = -1;
    char *work = text_copy(description), *at = work;
    bool fine = true;
    while (at != NULL) {
        char *next = strchr(at, ';');
        if (next != NULL) {
            *next++ = 0;
        }
        if (!apply(d, at, &fine)) {
            report_line("sim_add_device: cannot read '%s' in '%s'", at, description);
            fine = false;
        }
        at = next;
    }
    free(work);
    if (d->uid == NULL) {
        report_line("sim_add_device: no uid in '%s'", description);
        fine = false;
        d->uid = text_copy("");
    }
    if (d->rate_count == 0) {
        key_rates(d, "44100,48000");
    }
    if (d->rate == 0) {
        d->rate = d->rates[0][0];
    }
    d->best_rate = d->rate;
    d->headset_channels = device_channels(d, OUTPUT);
    object_add(&d->o, DEVICE, kAudioDeviceClassID, kAudioObjectClassID, &world.system, d);
    for (int direction = INPUT; direction >= OUTPUT; direction--) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            stream *s = d->streams[direction][i];
            s->terminal = direction == INPUT ? kAudioStreamTerminalTypeMicrophone
                                             : kAudioStreamTerminalTypeSpeaker;
            object_add(&s->o, STREAM, kAudioStreamClassID, kAudioObjectClassID, &d->o, d);
        }
    }
    controls_make(d);
    d->mutex.device = d;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&d->mutex.freed, &attributes);
    *id = fine ? d->o.id : 0;
    return d;
}
