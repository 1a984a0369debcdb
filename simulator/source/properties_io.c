/* properties_io.c: rates, buffer size, latencies, hog mode and whatever else concerns the IO of a
 * device. */
#include "properties.h"

#include <unistd.h>

/* ---- rates ---- */

GET_F64(rate, device_reported_rate(q->d))
SET(rate) {
    double rate;
    (void)size;
    memcpy(&rate, data, sizeof rate);
    if (q->d->hog != -1 && q->d->hog != getpid()) {
        return kAudioDevicePermissionsError;
    }
    OSStatus error = change_rate_locked(q->d, rate, true);
    if (error == 0) {
        aggregate_impose_rate_locked(q->d, rate);
    }
    return error;
}
GET(rates) {
    for (size_t i = 0; i < q->d->rate_count; i++) {
        AudioValueRange range = {q->d->rates[i][0], q->d->rates[i][1]};
        put(r, &range, sizeof range);
    }
    return 0;
}
GET_F64(actual_rate, q->d->current ? 1e9 / q->d->current->clock.ns_per_frame : q->d->rate)

/* ---- IO ---- */

static bool running_here(const device *d) {
    for (const io_proc *p = d->procs; p != NULL; p = p->next) {
        if (p->running && !p->destroyed) {
            return true;
        }
    }
    return d->null_starts > 0;
}
GET_U32(running, running_here(q->d))
GET(running_somewhere) {
    put_u32(r, running_here(q->d) || q->d->current != NULL || aggregate_runs_locked(q->d) ||
                   process_uses_locked(q->o->id, INPUT) || process_uses_locked(q->o->id, OUTPUT));
    return 0;
}
static bool has_streams(const request *q) { return q->d->stream_count[request_side(q)] > 0; }
GET_U32(latency, q->d->latency[request_side(q)])
GET_U32(safety, q->d->safety[request_side(q)])
GET_U32(buffer, q->d->buffer_frames)
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
static bool has_variable(const request *q) { return q->d->variable_frames > 0; }
GET_F32(cycle_usage, 1)
SET(cycle_usage) {
    (void)q, (void)size;
    float usage;
    memcpy(&usage, data, sizeof usage);
    /* The simulator's cycles do not become shorter. */
    return usage >= 0 && usage <= 1 ? 0 : kAudioHardwareIllegalOperationError;
}
GET(hog) {
    SInt32 hog = q->d->hog;
    put(r, &hog, sizeof hog);
    return 0;
}
/* A set toggles hog mode and ignores the value. It writes the new owner into the caller's memory.
 */
SET(hog) {
    (void)size;
    pid_t me = getpid();
    bool others = q->d->hog != -1 && q->d->hog != me;
    if (others && SWITCH(hog_error) == 1) {
        return kAudioDevicePermissionsError;
    }
    if (!others) {
        device_hog_locked(q->d, q->d->hog == -1 ? me : -1);
    }
    memcpy((void *)(uintptr_t)data, &q->d->hog, sizeof q->d->hog);
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
static bool has_workgroup(const request *q) {
    (void)q;
    return SWITCH(workgroup) != 1;
}

static const size_t usage_head = offsetof(AudioHardwareIOProcStreamUsage, mStreamIsOn);
static io_proc *usage_proc(const request *q, const void *data) {
    AudioDeviceIOProcID id = NULL;
    memcpy(&id, data, sizeof id);
    return id == NULL ? NULL : io_proc_find(q->d, id);
}
GET(stream_usage) {
    unsigned char bytes[16 + 4 * MAX_STREAMS] = {0};
    UInt32 n = (UInt32)q->d->stream_count[request_side(q)];
    if (!r->size_only) {
        io_proc *p = usage_proc(q, q->in_out);
        if (p == NULL) {
            return kAudioHardwareIllegalOperationError; /* a get also needs mIOProc */
        }
        memcpy(bytes, q->in_out, sizeof(void *));
        for (UInt32 i = 0; i < n; i++) {
            UInt32 on = p->usage[request_side(q)][i];
            memcpy(bytes + usage_head + 4 * i, &on, sizeof on);
        }
    }
    memcpy(bytes + offsetof(AudioHardwareIOProcStreamUsage, mNumberStreams), &n, sizeof n);
    put(r, bytes, usage_head + 4 * n);
    return 0;
}
SET(stream_usage) {
    UInt32 n = (UInt32)q->d->stream_count[request_side(q)], given;
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
        p->usage[request_side(q)][i] = on != 0;
    }
    io_mutex_unlock(&q->d->mutex);
    return fits ? 0 : kAudioHardwareIllegalOperationError;
}

/* ---- mutes of this process, and voice activity ---- */

static bool has_process_mute(const request *q) {
    return q->d->transport != kAudioDeviceTransportTypeAggregate;
}
GET_U32(process_mute, q->d->process_mute)
SET(process_mute) {
    UInt32 on;
    (void)size;
    memcpy(&on, data, sizeof on);
    if (q->d->process_mute != (on != 0)) {
        q->d->process_mute = on != 0;
        notify_one_locked(q->o->id, q->selector, kAudioObjectPropertyScopeGlobal);
    }
    return 0;
}
GET_U32(voice_detection, q->d->detects_voice)
SET(voice_detection) {
    UInt32 on;
    (void)size;
    memcpy(&on, data, sizeof on);
    q->d->detects_voice = on != 0;
    voice_update_locked(q->d);
    return 0;
}
GET_U32(voice, q->d->voice_state)

#define ROW(name, get, set, has)                                                                   \
    {kAudioDeviceClassID, kAudioDeviceProperty##name, get, set, has, NULL}
const behaviour io_behaviours[] = {
    ROW(DeviceIsRunning, get_running, NULL, NULL),
    ROW(DeviceIsRunningSomewhere, get_running_somewhere, NULL, NULL),
    {kAudioDeviceClassID, kAudioDeviceProcessorOverload, get_zero, NULL, NULL, NULL},
    ROW(IOStoppedAbnormally, get_zero, NULL, NULL),
    ROW(NominalSampleRate, get_rate, set_rate, NULL),
    ROW(AvailableNominalSampleRates, get_rates, NULL, NULL),
    ROW(ActualSampleRate, get_actual_rate, NULL, NULL),
    ROW(Latency, get_latency, NULL, has_streams),
    ROW(SafetyOffset, get_safety, NULL, has_streams),
    ROW(BufferFrameSize, get_buffer, set_buffer, NULL),
    ROW(BufferFrameSizeRange, get_buffer_range, NULL, NULL),
    ROW(UsesVariableBufferFrameSizes, get_variable, NULL, has_variable),
    ROW(IOCycleUsage, get_cycle_usage, set_cycle_usage, NULL),
    ROW(HogMode, get_hog, set_hog, NULL),
    ROW(IOProcStreamUsage, get_stream_usage, set_stream_usage, has_streams),
    ROW(IOThreadOSWorkgroup, get_workgroup, NULL, has_workgroup),
    ROW(ProcessMute, get_process_mute, set_process_mute, has_process_mute),
    ROW(VoiceActivityDetectionEnable, get_voice_detection, set_voice_detection, has_streams),
    ROW(VoiceActivityDetectionState, get_voice, NULL, has_streams),
    {0, 0, NULL, NULL, NULL, NULL},
};
