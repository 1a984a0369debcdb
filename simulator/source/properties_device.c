/* properties_device.c: identity, streams, rates and IO of devices. The table of rows is at the end
 * of this file. It also has rows for volume, mute and data sources, whose functions are in
 * properties_control.c. */
#include "properties.h"

#include <unistd.h>

#define GET(name) static OSStatus get_##name(const request *q, reply *r)
#define SET(name) static OSStatus set_##name(const request *q, const void *data, UInt32 size)

static int side(const request *q) { return q->direction == INPUT ? INPUT : OUTPUT; }

/* ---- identity ---- */

GET(uid) {
    put_string(r, q->d->uid);
    return 0;
}
GET(model_uid) {
    put_string(r, q->d->model_uid);
    return 0;
}
static bool has_model_uid(const request *q) {
    return q->element == 0 && q->d->model_uid != NULL &&
           (!q->d->model_uid_global_only || q->scope == kAudioObjectPropertyScopeGlobal);
}
GET(transport) {
    put_u32(r, q->d->transport);
    return 0;
}
GET(clock_domain) {
    put_u32(r, q->d->clock_domain);
    return 0;
}
GET(one) {
    (void)q;
    put_u32(r, 1);
    return 0;
}
GET(zero) {
    (void)q;
    put_u32(r, 0);
    return 0;
}
GET(hidden) {
    put_u32(r, q->d->hidden);
    return 0;
}
GET(related) {
    put_u32(r, q->d->o.id);
    return 0;
}
GET(can_be_default) {
    put_u32(r, q->d->can_be_default[side(q)] && q->d->stream_count[side(q)] > 0);
    return 0;
}
GET(c_name) {
    const char *name = q->d->name;
    put(r, name, strlen(name) + 1);
    return 0;
}
static bool has_c_name(const request *q) { return q->element == 0 && q->d->name != NULL; }

/* ---- streams and channels ---- */

static void put_streams(reply *r, const device *d, int direction) {
    for (size_t i = 0; i < d->stream_count[direction]; i++) {
        put_u32(r, d->streams[direction][i]->o.id);
    }
}
GET(streams) {
    if (q->direction != OUTPUT) {
        put_streams(r, q->d, INPUT);
    }
    if (q->direction != INPUT) {
        put_streams(r, q->d, OUTPUT);
    }
    return 0;
}
GET(stream_configuration) {
    unsigned char bytes[offsetof(AudioBufferList, mBuffers) + MAX_STREAMS * sizeof(AudioBuffer)] = {
        0};
    UInt32 n = (UInt32)q->d->stream_count[side(q)];
    memcpy(bytes, &n, sizeof n);
    for (UInt32 i = 0; i < n; i++) {
        AudioBuffer b = {.mNumberChannels = q->d->streams[side(q)][i]->channels};
        memcpy(bytes + offsetof(AudioBufferList, mBuffers) + i * sizeof b, &b, sizeof b);
    }
    put(r, bytes, offsetof(AudioBufferList, mBuffers) + n * sizeof(AudioBuffer));
    return 0;
}
GET(controls) {
    for (size_t i = 0; i < q->d->control_count; i++) {
        put_u32(r, q->d->controls[i]->o.id);
    }
    return 0;
}
GET(stereo_channels) {
    UInt32 second = device_channels(q->d, side(q)) > 1 ? 2 : 1;
    const UInt32 *pair = q->d->stereo_pair;
    put_u32(r, pair[0] ? pair[0] : 1);
    put_u32(r, pair[1] ? pair[1] : second);
    return 0;
}
static bool has_channels(const request *q) {
    return q->element == 0 && device_channels(q->d, side(q)) > 0;
}
GET(channel_layout) {
    UInt32 n = device_channels(q->d, side(q));
    AudioChannelDescription none = {0};
    put_u32(r, kAudioChannelLayoutTag_UseChannelDescriptions);
    put_u32(r, 0);
    put_u32(r, n);
    for (UInt32 i = 0; i < n; i++) {
        none.mChannelLabel = n == 1 ? kAudioChannelLabel_Mono : kAudioChannelLabel_Left + i;
        put(r, &none, sizeof none);
    }
    return 0;
}

/* ---- rates ---- */

GET(rate) {
    put_f64(r, device_reported_rate(q->d));
    return 0;
}
SET(rate) {
    double rate;
    (void)size;
    memcpy(&rate, data, sizeof rate);
    if (q->d->hog != -1 && q->d->hog != getpid()) {
        return kAudioDevicePermissionsError;
    }
    return change_rate_locked(q->d, rate, true);
}
GET(rates) {
    for (size_t i = 0; i < q->d->rate_count; i++) {
        AudioValueRange range = {q->d->rates[i][0], q->d->rates[i][1]};
        put(r, &range, sizeof range);
    }
    return 0;
}
GET(actual_rate) {
    put_f64(r, q->d->current ? 1e9 / q->d->current->clock.ns_per_frame : q->d->rate);
    return 0;
}

/* ---- IO ---- */

static bool running_here(const device *d) {
    for (const io_proc *p = d->procs; p != NULL; p = p->next) {
        if (p->running && !p->destroyed) {
            return true;
        }
    }
    return d->null_starts > 0;
}
GET(running) {
    put_u32(r, running_here(q->d));
    return 0;
}
GET(running_somewhere) {
    put_u32(r, running_here(q->d) || q->d->current != NULL);
    return 0;
}
GET(latency) {
    put_u32(r, q->d->latency[side(q)]);
    return 0;
}
GET(safety) {
    put_u32(r, q->d->safety[side(q)]);
    return 0;
}
GET(buffer) {
    put_u32(r, q->d->buffer_frames);
    return 0;
}
SET(buffer) {
    UInt32 frames;
    (void)size;
    memcpy(&frames, data, sizeof frames);
    return change_buffer_locked(q->d, frames);
}
GET(buffer_range) {
    AudioValueRange range = {q->d->buffer_min, q->d->buffer_max};
    put(r, &range, sizeof range);
    return 0;
}
GET(variable) {
    put_u32(r, q->d->buffer_frames + (q->d->variable_frames < q->d->buffer_frames / 2
                                          ? q->d->variable_frames
                                          : q->d->buffer_frames / 2));
    return 0;
}
static bool has_variable(const request *q) { return q->element == 0 && q->d->variable_frames > 0; }
GET(cycle_usage) {
    (void)q;
    put_f32(r, 1);
    return 0;
}
SET(cycle_usage) {
    (void)q, (void)size;
    float usage;
    memcpy(&usage, data, sizeof usage);
    return usage >= 0 && usage <= 1 ? 0 : kAudioHardwareIllegalOperationError;
}
GET(hog) {
    SInt32 hog = q->d->hog;
    put(r, &hog, sizeof hog);
    return 0;
}
SET(hog) { /* each set toggles hog mode and ignores the value */
    (void)data, (void)size;
    pid_t me = getpid();
    if (q->d->hog != -1 && q->d->hog != me) {
        return 0;
    }
    bool taken = q->d->hog == -1;
    q->d->hog = taken ? me : -1;
    count(CN_live_hogs, taken ? 1 : -1);
    notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    return 0;
}
GET(workgroup) {
    void *workgroup = q->d->workgroup;
    if (!r->size_only) {
        os_retain(workgroup);
    }
    put(r, &workgroup, sizeof workgroup);
    return 0;
}
static bool has_workgroup(const request *q) { return q->element == 0 && SWITCH(workgroup) != 1; }

static const size_t usage_head = offsetof(AudioHardwareIOProcStreamUsage, mStreamIsOn);
static io_proc *usage_proc(const request *q, const void *data) {
    AudioDeviceIOProcID id = NULL;
    memcpy(&id, data, sizeof id);
    return id == NULL ? NULL : io_proc_find(q->d, id);
}
GET(stream_usage) {
    unsigned char bytes[16 + 4 * MAX_STREAMS] = {0};
    UInt32 n = (UInt32)q->d->stream_count[side(q)];
    if (!r->size_only) {
        io_proc *p = usage_proc(q, q->in_out);
        if (p == NULL) {
            return kAudioHardwareIllegalOperationError; /* a get also needs mIOProc */
        }
        memcpy(bytes, q->in_out, sizeof(void *));
        for (UInt32 i = 0; i < n; i++) {
            UInt32 on = p->usage[side(q)][i];
            memcpy(bytes + usage_head + 4 * i, &on, sizeof on);
        }
    }
    memcpy(bytes + offsetof(AudioHardwareIOProcStreamUsage, mNumberStreams), &n, sizeof n);
    put(r, bytes, usage_head + 4 * n);
    return 0;
}
SET(stream_usage) {
    UInt32 n = (UInt32)q->d->stream_count[side(q)], given;
    if (size < usage_head + 4 * n) {
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(&given, (const char *)data + offsetof(AudioHardwareIOProcStreamUsage, mNumberStreams),
           4);
    if (!io_mutex_lock(&q->d->mutex)) { /* waits for the end of a running cycle */
        return kAudioHardwareIllegalOperationError;
    }
    io_proc *p = usage_proc(q, data);
    bool fits = p != NULL && given == n; /* the data must state all streams */
    for (UInt32 i = 0; fits && i < n; i++) {
        UInt32 on;
        memcpy(&on, (const char *)data + usage_head + 4 * i, sizeof on);
        p->usage[side(q)][i] = on != 0;
    }
    io_mutex_unlock(&q->d->mutex);
    return fits ? 0 : kAudioHardwareIllegalOperationError;
}
static bool has_streams(const request *q) {
    return q->element == 0 && q->d->stream_count[side(q)] > 0;
}

#define ROW(name, scope, shape, size, get, set, has)                                               \
    {kAudioDeviceProperty##name, DEVICE, scope, shape, size, 0, get, set, has}
const property device_properties[] = {
    ROW(DeviceUID, ANY_SCOPE, OBJECT, 8, get_uid, NULL, NULL),
    ROW(ModelUID, ANY_SCOPE, OBJECT, 8, get_model_uid, NULL, has_model_uid),
    ROW(DeviceName, ANY_SCOPE, ARRAY, 1, get_c_name, NULL, has_c_name),
    ROW(TransportType, ANY_SCOPE, SCALAR, 4, get_transport, NULL, NULL),
    ROW(ClockDomain, ANY_SCOPE, SCALAR, 4, get_clock_domain, NULL, NULL),
    ROW(RelatedDevices, ANY_SCOPE, ARRAY, 4, get_related, NULL, NULL),
    ROW(DeviceIsAlive, ANY_SCOPE, SCALAR, 4, get_one, NULL, NULL),
    ROW(DeviceHasChanged, ANY_SCOPE, SCALAR, 4, get_zero, NULL, NULL),
    ROW(DeviceIsRunning, ANY_SCOPE, SCALAR, 4, get_running, NULL, NULL),
    ROW(DeviceIsRunningSomewhere, ANY_SCOPE, SCALAR, 4, get_running_somewhere, NULL, NULL),
    ROW(DeviceCanBeDefaultDevice, IN_OUT, SCALAR, 4, get_can_be_default, NULL, NULL),
    ROW(DeviceCanBeDefaultSystemDevice, IN_OUT, SCALAR, 4, get_can_be_default, NULL, NULL),
    ROW(IsHidden, ANY_SCOPE, SCALAR, 4, get_hidden, NULL, NULL),
    ROW(Streams, IN_OUT_GLOBAL, ARRAY, 4, get_streams, NULL, NULL),
    ROW(StreamConfiguration, IN_OUT, SCALAR, 0, get_stream_configuration, NULL, NULL),
    {kAudioObjectPropertyControlList, DEVICE, ANY_SCOPE, ARRAY, 4, 0, get_controls, NULL, NULL},
    ROW(PreferredChannelsForStereo, IN_OUT, SCALAR, 8, get_stereo_channels, NULL, has_channels),
    ROW(PreferredChannelLayout, IN_OUT, SCALAR, 0, get_channel_layout, NULL, has_channels),
    /* Formats of the device, for old programs that do not use stream objects. */
    ROW(StreamFormat, IN_OUT, SCALAR, 40, get_first_virtual, set_first_virtual, has_streams),
    {kAudioStreamPropertyAvailableVirtualFormats, DEVICE, IN_OUT, ARRAY, 56, 0,
     get_first_virtual_formats, NULL, has_streams},
    {kAudioStreamPropertyPhysicalFormat, DEVICE, IN_OUT, SCALAR, 40, 0, get_first_physical,
     set_first_physical, has_streams},
    {kAudioStreamPropertyAvailablePhysicalFormats, DEVICE, IN_OUT, ARRAY, 56, 0,
     get_first_physical_formats, NULL, has_streams},
    ROW(NominalSampleRate, ANY_SCOPE, SCALAR, 8, get_rate, set_rate, NULL),
    ROW(AvailableNominalSampleRates, ANY_SCOPE, ARRAY, 16, get_rates, NULL, NULL),
    ROW(ActualSampleRate, ANY_SCOPE, SCALAR, 8, get_actual_rate, NULL, NULL),
    ROW(Latency, IN_OUT, SCALAR, 4, get_latency, NULL, NULL),
    ROW(SafetyOffset, IN_OUT, SCALAR, 4, get_safety, NULL, NULL),
    ROW(BufferFrameSize, ANY_SCOPE, SCALAR, 4, get_buffer, set_buffer, NULL),
    ROW(BufferFrameSizeRange, ANY_SCOPE, SCALAR, 16, get_buffer_range, NULL, NULL),
    ROW(UsesVariableBufferFrameSizes, ANY_SCOPE, SCALAR, 4, get_variable, NULL, has_variable),
    ROW(IOCycleUsage, ANY_SCOPE, SCALAR, 4, get_cycle_usage, set_cycle_usage, NULL),
    ROW(HogMode, ANY_SCOPE, SCALAR, 4, get_hog, set_hog, NULL),
    ROW(IOProcStreamUsage, IN_OUT, TRANSLATION, 12, get_stream_usage, set_stream_usage,
        has_streams),
    {kAudioDevicePropertyIOThreadOSWorkgroup, DEVICE, ANY_SCOPE, SCALAR, 8, 1100, get_workgroup,
     NULL, has_workgroup},
    ROW(VolumeScalar, IN_OUT, SCALAR, 4, get_volume, set_volume, has_volume),
    ROW(VolumeDecibels, IN_OUT, SCALAR, 4, get_decibels, set_decibels, has_volume),
    ROW(VolumeRangeDecibels, IN_OUT, SCALAR, 16, get_decibel_range, NULL, has_volume),
    ROW(VolumeScalarToDecibels, IN_OUT, TRANSLATION, 4, get_to_decibels, NULL, has_volume),
    ROW(VolumeDecibelsToScalar, IN_OUT, TRANSLATION, 4, get_to_scalar, NULL, has_volume),
    ROW(Mute, IN_OUT, SCALAR, 4, get_mute, set_mute, has_mute),
    ROW(DataSource, IN_OUT, SCALAR, 4, get_source, set_source, has_source),
    ROW(DataSources, IN_OUT, ARRAY, 4, get_sources, NULL, has_source),
    ROW(DataSourceNameForIDCFString, IN_OUT, TRANSLATION, 32, get_source_name, NULL, has_source),
    ROW(DataSourceKindForID, IN_OUT, TRANSLATION, 32, get_source_kind, NULL, has_source),
    {0, 0, GLOBAL_ONLY, SCALAR, 0, 0, NULL, NULL, NULL},
};
