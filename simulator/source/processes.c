/* processes.c: the processes that use the HAL (S15): this one, and simulated ones. Their objects
 * exist since macOS 14.2. */
#include "properties.h"

#include <math.h>
#include <unistd.h>

process *process_find_locked(pid_t pid) {
    for (size_t i = 0; i < world.process_count; i++) {
        if (world.processes[i]->pid == pid && world.processes[i]->o.alive) {
            return world.processes[i];
        }
    }
    return NULL;
}

static process *add(pid_t pid, const char *bundle) {
    if (world.process_count == sizeof world.processes / sizeof world.processes[0]) {
        report_line("sim_add_process: too many processes");
        return NULL;
    }
    process *p = calloc(1, sizeof *p);
    p->pid = pid;
    p->bundle = text_copy(bundle);
    p->serial = world.next_process_serial = world.next_process_serial % 15 + 1;
    object_add(&p->o, PROCESS, kAudioProcessClassID, kAudioObjectClassID, &world.system, NULL);
    world.processes[world.process_count++] = p;
    return p;
}

/* This process gets its object when somebody asks for it. */
process *process_own_locked(void) {
    process *p = process_find_locked(getpid());
    return p != NULL ? p : add(getpid(), "org.voicecoil.client");
}

static bool own_uses(const device *d, int direction) {
    bool used = d->null_starts > 0 && d->stream_count[direction] > 0;
    for (const io_proc *p = d->procs; p != NULL; p = p->next) {
        for (size_t i = 0; i < d->stream_count[direction]; i++) {
            used = used || (p->running && !p->destroyed && p->usage[direction][i]);
        }
    }
    return used;
}

bool process_uses_device_locked(const process *p, const device *d, int direction) {
    return p->pid == getpid() ? own_uses(d, direction) : p->device[direction] == d->o.id;
}

bool process_uses_locked(AudioObjectID id, int direction) {
    for (size_t i = 0; i < world.process_count; i++) {
        const process *p = world.processes[i];
        if (p->o.alive && p->pid != getpid() && p->device[direction] == id) {
            return true;
        }
    }
    return false;
}

static bool runs(const process *p, int direction) {
    for (size_t i = 0; i < world.device_count; i++) {
        if (process_uses_device_locked(p, world.devices[i], direction)) {
            return true;
        }
    }
    return false;
}

static void notify_io(const process *p) {
    change c = {.count = 0};
    change_add(&c, kAudioProcessPropertyIsRunning, kAudioObjectPropertyScopeGlobal);
    change_add(&c, kAudioProcessPropertyIsRunningInput, kAudioObjectPropertyScopeGlobal);
    change_add(&c, kAudioProcessPropertyIsRunningOutput, kAudioObjectPropertyScopeGlobal);
    change_add(&c, kAudioProcessPropertyDevices, kAudioObjectPropertyScopeInput);
    change_add(&c, kAudioProcessPropertyDevices, kAudioObjectPropertyScopeOutput);
    notify_locked(p->o.id, &c);
    taps_wake_locked();
}

/* Tells listeners that this process has started or stopped IO of a device. */
void process_io_changed_locked(void) {
    const process *p = process_find_locked(getpid());
    if (p != NULL) {
        notify_io(p);
    }
}

static void notify_list(void) {
    notify_one_locked(kAudioObjectSystemObject, kAudioHardwarePropertyProcessObjectList,
                      kAudioObjectPropertyScopeGlobal);
}

/* ---- control functions ---- */

EXPORT uint32_t sim_add_process(int32_t pid, const char *bundle_id) {
    pthread_mutex_lock(&world.lock);
    process *p = NULL;
    if (bundle_id == NULL || pid == getpid() || process_find_locked(pid) != NULL ||
        world.macos < 1402) {
        report_line("sim_add_process: %d exists, has no bundle ID, or macOS is too old", pid);
    } else {
        p = add(pid, bundle_id);
        notify_list();
    }
    uint32_t id = p ? p->o.id : 0;
    pthread_mutex_unlock(&world.lock);
    return id;
}

EXPORT int sim_process_io(int32_t pid, uint32_t input_device, uint32_t output_device) {
    pthread_mutex_lock(&world.lock);
    process *p = pid == getpid() ? NULL : process_find_locked(pid);
    const AudioObjectID wanted[2] = {[INPUT] = input_device, [OUTPUT] = output_device};
    for (int direction = 0; p != NULL && direction < 2; direction++) {
        device *devices[2] = {device_find(p->device[direction]), device_find(wanted[direction])};
        if (wanted[direction] != 0 && devices[1] == NULL) {
            p = NULL;
            break;
        }
        if (p->device[direction] == wanted[direction]) {
            continue;
        }
        p->device[direction] = wanted[direction];
        for (int i = 0; i < 2; i++) {
            if (devices[i] != NULL) {
                notify_one_locked(devices[i]->o.id, kAudioDevicePropertyDeviceIsRunningSomewhere,
                                  kAudioObjectPropertyScopeGlobal);
                headset_update_locked(devices[i]);
            }
        }
    }
    if (p == NULL) {
        report_line("sim_process_io: no simulated process %d, or no such device", pid);
    } else {
        notify_io(p);
    }
    pthread_mutex_unlock(&world.lock);
    return p == NULL ? -1 : 0;
}

EXPORT int sim_remove_process(int32_t pid) {
    if (pid == getpid() || sim_process_io(pid, 0, 0) != 0) {
        return -1;
    }
    pthread_mutex_lock(&world.lock);
    process *p = process_find_locked(pid);
    if (p != NULL) {
        p->o.alive = false;
        for (size_t i = 0; i < world.device_count; i++) {
            if (world.devices[i]->hog == pid) {
                device_hog_locked(world.devices[i], -1);
            }
        }
        notify_list();
    }
    pthread_mutex_unlock(&world.lock);
    return p == NULL ? -1 : 0;
}

EXPORT int sim_process_sound(int32_t pid, enum sim_input sound) {
    pthread_mutex_lock(&world.lock);
    process *p = pid == getpid() ? NULL : process_find_locked(pid);
    bool known = p != NULL && (sound == SIM_INPUT_ENCODED || sound == SIM_INPUT_SILENCE ||
                               sound == SIM_INPUT_SINE);
    if (known) {
        p->sound = sound;
    } else {
        report_line("sim_process_sound: no simulated process %d, or no such sound", pid);
    }
    pthread_mutex_unlock(&world.lock);
    return known ? 0 : -1;
}

float process_sample_locked(const process *p, UInt32 channel, int64_t sample_time) {
    switch (p->sound) {
    case SIM_INPUT_ENCODED:
        return sim_encode(p->serial, SIM_PROCESS_STREAM, channel, sample_time);
    case SIM_INPUT_SINE:
        return 0.5f * (float)sin((double)sample_time * 6.283185307179586 * 1000 / 48000);
    default:
        return 0;
    }
}

EXPORT float sim_process_sample(int32_t pid, uint32_t channel, int64_t sample_time) {
    pthread_mutex_lock(&world.lock);
    const process *p = process_find_locked(pid);
    float sample = p != NULL ? process_sample_locked(p, channel, sample_time) : 0;
    pthread_mutex_unlock(&world.lock);
    return sample;
}

void processes_reset_locked(void) {
    for (size_t i = 0; i < world.process_count; i++) {
        free(world.processes[i]->bundle);
        free(world.processes[i]);
    }
    world.process_count = 0;
}

/* ---- properties ---- */

static const process *of(const request *q) { return (const process *)(const void *)q->o; }

GET(list) {
    (void)q;
    process_own_locked();
    for (size_t i = 0; i < world.process_count; i++) {
        if (world.processes[i]->o.alive) {
            put_u32(r, world.processes[i]->o.id);
        }
    }
    return 0;
}
GET(for_pid) {
    pid_t pid;
    if (r->size_only) {
        put_u32(r, 0);
        return 0;
    }
    if (q->qualifier == NULL || q->qualifier_size != sizeof pid) {
        return kAudioHardwareBadPropertySizeError;
    }
    memcpy(&pid, q->qualifier, sizeof pid);
    const process *p = pid == getpid() ? process_own_locked() : process_find_locked(pid);
    put_u32(r, p ? p->o.id : kAudioObjectUnknown);
    return 0;
}
GET_U32(pid, (UInt32)of(q)->pid)
GET_STRING(bundle, of(q)->bundle)
GET(devices) {
    for (size_t i = 0; i < world.device_count; i++) {
        if (process_uses_device_locked(of(q), world.devices[i], request_side(q))) {
            put_u32(r, world.devices[i]->o.id);
        }
    }
    return 0;
}
GET_U32(running, runs(of(q), INPUT) || runs(of(q), OUTPUT))
GET_U32(running_input, runs(of(q), INPUT))
GET_U32(running_output, runs(of(q), OUTPUT))

#define ROW(name, get) {kAudioProcessClassID, kAudioProcessProperty##name, get, NULL, NULL, NULL}
const behaviour process_behaviours[] = {
    {kAudioSystemObjectClassID, kAudioHardwarePropertyProcessObjectList, get_list, NULL, NULL,
     NULL},
    {kAudioSystemObjectClassID, kAudioHardwarePropertyTranslatePIDToProcessObject, get_for_pid,
     NULL, NULL, NULL},
    ROW(PID, get_pid),
    ROW(BundleID, get_bundle),
    ROW(Devices, get_devices),
    ROW(IsRunning, get_running),
    ROW(IsRunningInput, get_running_input),
    ROW(IsRunningOutput, get_running_output),
    {0, 0, NULL, NULL, NULL, NULL},
};
