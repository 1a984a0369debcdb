/* properties_device.c: identity, streams and channels of devices. Rates and IO are in
 * properties_io.c. */
#include "properties.h"

/* ---- identity ---- */

GET_STRING(uid, q->d->uid)
GET_STRING(model_uid, q->d->model_uid)
static bool has_model_uid(const request *q) {
    return q->d->model_uid != NULL &&
           (!q->d->model_uid_global_only || q->scope == kAudioObjectPropertyScopeGlobal);
}
GET_U32(transport, q->d->transport)
GET_U32(clock_domain, q->d->clock_domain)
GET_U32(hidden, q->d->hidden)
GET_U32(related, q->d->o.id)
GET(can_be_default) {
    put_u32(r, q->d->can_be_default[request_side(q)] && q->d->stream_count[request_side(q)] > 0);
    return 0;
}
GET_STRING(configuration_application, "com.apple.audio.AudioMIDISetup")
static bool has_icon(const request *q) { return q->d->transport == kAudioDeviceTransportTypeUSB; }
GET(icon) {
    static const char path[] = "/System/Library/Extensions/Simulated.kext/icon.icns";
    CFURLRef url = NULL;
    (void)q;
    if (!r->size_only) {
        url = CFURLCreateFromFileSystemRepresentation(NULL, (const UInt8 *)path,
                                                      (CFIndex)sizeof path - 1, 0);
    }
    put(r, &url, sizeof url);
    return 0;
}

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
    UInt32 n = (UInt32)q->d->stream_count[request_side(q)];
    memcpy(bytes, &n, sizeof n);
    for (UInt32 i = 0; i < n; i++) {
        const stream *s = q->d->streams[request_side(q)][i];
        UInt32 frame = stream_sample_format(s).bytes * s->channels;
        AudioBuffer b = {.mNumberChannels = s->channels,
                         .mDataByteSize = q->d->buffer_frames * frame};
        memcpy(bytes + offsetof(AudioBufferList, mBuffers) + i * sizeof b, &b, sizeof b);
    }
    put(r, bytes, offsetof(AudioBufferList, mBuffers) + n * sizeof(AudioBuffer));
    return 0;
}
/* The client's buffers for a direction, which have the topology of its streams. The simulator keeps
 * the list and does not use it. */
static bool registers_buffers(const request *q) {
    return SWITCH(internal_selectors) == 1 && q->d->stream_count[request_side(q)] > 0;
}
GET(registered) {
    int side = request_side(q);
    if (q->d->registered[side] == NULL) {
        return get_stream_configuration(q, r);
    }
    put(r, q->d->registered[side], q->d->registered_size[side]);
    return 0;
}
SET(registered) {
    int side = request_side(q);
    UInt32 n = (UInt32)q->d->stream_count[side], count;
    UInt32 whole = (UInt32)(offsetof(AudioBufferList, mBuffers) + n * sizeof(AudioBuffer));
    if (size < whole) {
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(&count, data, sizeof count);
    bool same = count == n;
    for (UInt32 i = 0; same && i < n; i++) {
        AudioBuffer b;
        memcpy(&b, (const char *)data + offsetof(AudioBufferList, mBuffers) + i * sizeof b,
               sizeof b);
        same = b.mNumberChannels == q->d->streams[side][i]->channels;
    }
    if (!same) {
        return kAudioHardwareIllegalOperationError;
    }
    free(q->d->registered[side]);
    q->d->registered[side] = malloc(whole);
    memcpy(q->d->registered[side], data, whole);
    q->d->registered_size[side] = whole;
    notify_one_locked(q->o->id, q->selector, q->scope);
    return 0;
}
GET(controls) {
    for (size_t i = 0; i < q->d->control_count; i++) {
        put_u32(r, q->d->controls[i]->o.id);
    }
    return 0;
}
static const UInt32 *stereo_pair(const request *q, UInt32 pair[2]) {
    UInt32 second = device_channels(q->d, request_side(q)) > 1 ? 2 : 1;
    const UInt32 *set = q->d->stereo_pair[request_side(q)];
    pair[0] = set[0] ? set[0] : 1;
    pair[1] = set[1] ? set[1] : second;
    return pair;
}
GET(stereo_channels) {
    UInt32 pair[2];
    put(r, stereo_pair(q, pair), sizeof pair);
    return 0;
}
SET(stereo_channels) {
    UInt32 pair[2], channels = device_channels(q->d, request_side(q));
    (void)size;
    memcpy(pair, data, sizeof pair);
    if (pair[0] < 1 || pair[1] < 1 || pair[0] > channels || pair[1] > channels) {
        return kAudioHardwareIllegalOperationError;
    }
    memcpy(q->d->stereo_pair[request_side(q)], pair, sizeof pair);
    notify_one_locked(q->o->id, q->selector, q->scope);
    return 0;
}
static bool has_channels(const request *q) { return device_channels(q->d, request_side(q)) > 0; }
static AudioChannelLabel label_of(const device *d, int side, UInt32 channel) {
    UInt32 set = d->labels[side][channel], n = device_channels(d, side);
    return set ? set : n == 1 ? kAudioChannelLabel_Mono : kAudioChannelLabel_Left + channel;
}
GET(channel_layout) {
    UInt32 n = device_channels(q->d, request_side(q));
    put_u32(r, kAudioChannelLayoutTag_UseChannelDescriptions);
    put_u32(r, 0);
    put_u32(r, n);
    for (UInt32 i = 0; i < n; i++) {
        AudioChannelDescription channel = {.mChannelLabel = label_of(q->d, request_side(q), i)};
        put(r, &channel, sizeof channel);
    }
    return 0;
}
/* Takes a layout that describes each channel. */
SET(channel_layout) {
    const size_t start = offsetof(AudioChannelLayout, mChannelDescriptions);
    UInt32 head[3], n = device_channels(q->d, request_side(q));
    if (size < start + n * sizeof(AudioChannelDescription)) {
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(head, data, sizeof head);
    if (head[0] != kAudioChannelLayoutTag_UseChannelDescriptions || head[2] != n) {
        return kAudioHardwareIllegalOperationError;
    }
    for (UInt32 i = 0; i < n && i < MAX_CHANNELS; i++) {
        AudioChannelDescription channel;
        memcpy(&channel, (const char *)data + start + i * sizeof channel, sizeof channel);
        q->d->labels[request_side(q)][i] = channel.mChannelLabel;
    }
    notify_one_locked(q->o->id, q->selector, q->scope);
    return 0;
}

/* ---- the virtual main volume and balance, which the two channels of the stereo pair give ---- */

static control *volume_of(const request *q, UInt32 element) {
    return control_find(q->d, kAudioVolumeControlClassID, q->scope, element);
}
static bool has_virtual_volume(const request *q) {
    UInt32 pair[2];
    stereo_pair(q, pair);
    return volume_of(q, 0) != NULL || volume_of(q, pair[0]) != NULL;
}
static bool has_virtual_balance(const request *q) {
    UInt32 pair[2];
    stereo_pair(q, pair);
    return pair[0] != pair[1] && volume_of(q, pair[0]) != NULL && volume_of(q, pair[1]) != NULL;
}
static void levels(const request *q, control *c[2]) {
    UInt32 pair[2];
    stereo_pair(q, pair);
    c[0] = volume_of(q, volume_of(q, 0) ? 0 : pair[0]);
    c[1] = volume_of(q, volume_of(q, 0) ? 0 : pair[1]);
    c[1] = c[1] == NULL ? c[0] : c[1];
}
GET(virtual_volume) {
    control *c[2];
    levels(q, c);
    put_f32(r, c[0]->level > c[1]->level ? c[0]->level : c[1]->level);
    return 0;
}
SET(virtual_volume) {
    float x, most;
    control *c[2];
    (void)size;
    memcpy(&x, data, sizeof x);
    levels(q, c);
    most = c[0]->level > c[1]->level ? c[0]->level : c[1]->level;
    for (int i = 0; i < 2; i++) { /* the balance stays */
        control_set_level(c[i], most > 0 ? x * c[i]->level / most : x);
    }
    return 0;
}
GET(virtual_balance) {
    UInt32 pair[2];
    stereo_pair(q, pair);
    float left = volume_of(q, pair[0])->level, right = volume_of(q, pair[1])->level;
    put_f32(r, left == right ? 0.5f : left > right ? 0.5f * right / left : 1 - 0.5f * left / right);
    return 0;
}
SET(virtual_balance) {
    float x;
    UInt32 pair[2];
    (void)size;
    memcpy(&x, data, sizeof x);
    stereo_pair(q, pair);
    control *left = volume_of(q, pair[0]), *right = volume_of(q, pair[1]);
    float most = left->level > right->level ? left->level : right->level;
    control_set_level(left, x <= 0.5f ? most : most * 2 * (1 - x));
    control_set_level(right, x >= 0.5f ? most : most * 2 * x);
    return 0;
}

#define ROW(name, get, set, has)                                                                   \
    {kAudioDeviceClassID, kAudioDeviceProperty##name, get, set, has, NULL}
const behaviour device_behaviours[] = {
    ROW(DeviceUID, get_uid, NULL, NULL),
    ROW(ModelUID, get_model_uid, NULL, has_model_uid),
    ROW(ConfigurationApplication, get_configuration_application, NULL, NULL),
    ROW(Icon, get_icon, NULL, has_icon),
    ROW(TransportType, get_transport, NULL, NULL),
    ROW(ClockDomain, get_clock_domain, NULL, NULL),
    ROW(RelatedDevices, get_related, NULL, NULL),
    ROW(DeviceIsAlive, get_one, NULL, NULL),
    ROW(DeviceHasChanged, get_zero, NULL, NULL),
    ROW(DeviceCanBeDefaultDevice, get_can_be_default, NULL, NULL),
    ROW(DeviceCanBeDefaultSystemDevice, get_can_be_default, NULL, NULL),
    ROW(IsHidden, get_hidden, NULL, NULL),
    ROW(Streams, get_streams, NULL, NULL),
    ROW(StreamConfiguration, get_stream_configuration, NULL, NULL),
    ROW(RegisterBufferList, get_registered, set_registered, registers_buffers),
    {kAudioDeviceClassID, kAudioObjectPropertyControlList, get_controls, NULL, NULL, NULL},
    ROW(PreferredChannelsForStereo, get_stereo_channels, set_stereo_channels, has_channels),
    ROW(PreferredChannelLayout, get_channel_layout, set_channel_layout, has_channels),
    {kAudioDeviceClassID, kAudioHardwareServiceDeviceProperty_VirtualMainVolume, get_virtual_volume,
     set_virtual_volume, has_virtual_volume, NULL},
    {kAudioDeviceClassID, kAudioHardwareServiceDeviceProperty_VirtualMainBalance,
     get_virtual_balance, set_virtual_balance, has_virtual_balance, NULL},
    {0, 0, NULL, NULL, NULL, NULL},
};
