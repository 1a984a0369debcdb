/* device_description.c: makes a device from a line of text. A table lists the keys of this line,
 * and README.md explains them. */
#include "world.h"

typedef void (*key_fn)(device *d, const char *value);

static char *copy(const char *text) {
    size_t size = strlen(text) + 1;
    char *c = malloc(size);
    memcpy(c, text, size);
    return c;
}

static UInt32 number(const char *value) { return (UInt32)strtoul(value, NULL, 0); }

static void text_into(char **field, const char *value) {
    free(*field);
    *field = copy(value);
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
                 {"virtual", kAudioDeviceTransportTypeVirtual},
                 {"pci", kAudioDeviceTransportTypePCI}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, v) == 0) {
            d->transport = names[i].value;
        }
    }
}

static void add_streams(device *d, int direction, const char *v) {
    UInt32 channel = 1;
    while (*v != 0 && d->stream_count[direction] < MAX_STREAMS) {
        stream *s = calloc(1, sizeof *s);
        s->direction = (UInt32)direction;
        s->index = (UInt32)d->stream_count[direction];
        s->starting_channel = channel;
        s->channels = number(v);
        s->physical_bits = 24;
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
        double low = strtod(v, &end), high = low;
        if (*end == '-') {
            high = strtod(end + 1, &end);
        }
        d->rates[d->rate_count][0] = low;
        d->rates[d->rate_count++][1] = high;
        v = *end == ',' ? end + 1 : "";
    }
}

static void key_rate(device *d, const char *v) { d->rate = strtod(v, NULL); }
static void key_buffer(device *d, const char *v) { d->buffer_frames = number(v); }
static void key_buffer_range(device *d, const char *v) {
    char *end;
    d->buffer_min = (UInt32)strtoul(v, &end, 10);
    d->buffer_max = d->base_buffer_max = (UInt32)strtoul(*end ? end + 1 : end, NULL, 10);
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
static void key_ppm(device *d, const char *v) { d->ppm = strtod(v, NULL); }
static void key_volume(device *d, const char *v) {
    d->volume_kind = strcmp(v, "master") == 0 ? 1 : strcmp(v, "channels") == 0 ? 2 : 0;
}

static void key_sources(device *d, const char *v) {
    while (*v != 0 && d->source_count < MAX_SOURCES) {
        size_t length = strcspn(v, ",");
        d->sources[d->source_count].id = FOURCC(v[0], v[1], v[2], v[3]);
        char *name = calloc(1, length + 1);
        memcpy(name, v + (length > 5 ? 5 : length), length > 5 ? length - 5 : 0);
        d->sources[d->source_count++].name = name;
        v += length + (v[length] == ',');
    }
    d->source = d->sources[0].id;
}

static void key_default(device *d, const char *v) {
    d->can_be_default[INPUT] = strstr(v, "in") != NULL;
    d->can_be_default[OUTPUT] = strstr(v, "out") != NULL;
}
static void key_stereo(device *d, const char *v) {
    const char *second = strchr(v, ',');
    d->stereo_pair[0] = number(v);
    d->stereo_pair[1] = second ? number(second + 1) : 0;
}

static void key_hidden(device *d, const char *v) { d->hidden = number(v) != 0; }
static void key_loopback(device *d, const char *v) {
    d->input = number(v) ? SIM_INPUT_LOOPBACK : SIM_INPUT_ENCODED;
}
static void key_variable(device *d, const char *v) { d->variable_frames = number(v); }
static void key_reports_old_rate(device *d, const char *v) { d->reports_old_rate = number(v) != 0; }
static void key_hang_start(device *d, const char *v) {
    d->hang_start_ns = strcmp(v, "forever") == 0 ? SIM_FOREVER : strtoull(v, NULL, 10);
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
            {"volume", key_volume},
            {"sources", key_sources},
            {"default", key_default},
            {"hidden", key_hidden},
            {"stereo", key_stereo},
            {"loopback", key_loopback},
            {"variable", key_variable},
            {"reports_old_rate", key_reports_old_rate},
            {"hang_start", key_hang_start},
            {"model_global_only", key_model_global_only}};

static bool apply(device *d, char *pair) {
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
            keys[i].fn(d, value);
            return true;
        }
    }
    return false;
}

static void add_control(device *d, AudioClassID class_id, AudioClassID base, UInt32 scope,
                        UInt32 element) {
    if (d->control_count == sizeof d->controls / sizeof d->controls[0]) {
        return;
    }
    control *c = calloc(1, sizeof *c);
    object_add(&c->o, CONTROL, class_id, base, &d->o, d);
    c->scope = scope;
    c->element = element;
    d->controls[d->control_count++] = c;
}

static void add_controls(device *d, int direction) {
    UInt32 scope =
        direction == INPUT ? kAudioObjectPropertyScopeInput : kAudioObjectPropertyScopeOutput;
    if (d->stream_count[direction] == 0) {
        return;
    }
    if (d->volume_kind == 1) {
        add_control(d, kAudioVolumeControlClassID, kAudioLevelControlClassID, scope, 0);
        add_control(d, kAudioMuteControlClassID, kAudioBooleanControlClassID, scope, 0);
    }
    for (UInt32 i = 1; d->volume_kind == 2 && i <= device_channels(d, direction); i++) {
        add_control(d, kAudioVolumeControlClassID, kAudioLevelControlClassID, scope, i);
    }
    if (direction == OUTPUT && d->source_count > 0) {
        add_control(d, kAudioDataSourceControlClassID, kAudioSelectorControlClassID, scope, 0);
    }
}

device *device_from_description(const char *description, UInt32 serial, AudioObjectID *id) {
    device *d = calloc(1, sizeof *d);
    d->description = copy(description);
    d->serial = serial;
    d->name = copy("Simulated");
    d->maker = copy("Simulated");
    d->transport = kAudioDeviceTransportTypeVirtual;
    d->buffer_frames = 512;
    d->buffer_min = 15;
    d->buffer_max = d->base_buffer_max = 4096;
    d->can_be_default[INPUT] = d->can_be_default[OUTPUT] = true;
    d->hog = -1;
    for (int i = 0; i <= MAX_CHANNELS; i++) {
        d->volume[0][i] = d->volume[1][i] = 1;
    }
    char *work = copy(description), *at = work;
    bool fine = true;
    while (at != NULL) {
        char *next = strchr(at, ';');
        if (next != NULL) {
            *next++ = 0;
        }
        if (!apply(d, at)) {
            report_line("sim_add_device: cannot read '%s' in '%s'", at, description);
            fine = false;
        }
        at = next;
    }
    free(work);
    if (d->uid == NULL) {
        report_line("sim_add_device: no uid in '%s'", description);
        fine = false;
        d->uid = copy("");
    }
    if (d->rate_count == 0) {
        key_rates(d, "44100,48000");
    }
    if (d->rate == 0) {
        d->rate = d->rates[0][0];
    }
    object_add(&d->o, DEVICE, kAudioDeviceClassID, kAudioObjectClassID, &world.system, d);
    for (int direction = INPUT; direction >= OUTPUT; direction--) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            stream *s = d->streams[direction][i];
            s->terminal = direction == INPUT ? kAudioStreamTerminalTypeMicrophone
                                             : kAudioStreamTerminalTypeSpeaker;
            object_add(&s->o, STREAM, kAudioStreamClassID, kAudioObjectClassID, &d->o, d);
        }
        add_controls(d, direction);
    }
    d->mutex.device = d;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&d->mutex.freed, &attributes);
    *id = fine ? d->o.id : 0;
    return d;
}
