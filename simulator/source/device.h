/* device.h: the objects of the world: devices, streams, controls and processes. world.h includes
 * this file, after the types that it needs. */
#ifndef SIM_DEVICE_H
#define SIM_DEVICE_H

/* ---- objects.c, devices.c ---- */
enum object_kind {
    SYSTEM = 1,
    PLUGIN = 2,
    DEVICE = 4,
    STREAM = 8,
    CONTROL = 16,
    PROCESS = 32,
    SUB_DEVICE = 64,
    BOX = 128,
    CLOCK = 256,
    TAP = 512,
    SUB_TAP = 1024,
    TRANSPORT = 2048,
    END_POINT = 4096
};
typedef struct object {
    AudioObjectID id;
    enum object_kind kind;
    AudioClassID class_id, base_class_id;
    struct object *owner;
    device *device;
    bool alive;
    AudioObjectPropertyAddress listened[2]; /* of the newest added and removed listener */
} object;
object *object_find(AudioObjectID id); /* finds only living objects */
object *object_even_dead(AudioObjectID id);
void object_add(object *o, enum object_kind kind, AudioClassID class_id, AudioClassID base,
                object *owner, device *d);
size_t objects_owned(const object *owner, object **list, size_t limit);

/* A physical format of a stream. A stream mixes its clients in float32, except in a format that
 * cannot be mixed, in which an IOProc gets the physical format itself. */
typedef struct stream_format {
    UInt32 id, flags, bits, sample_bytes;
} stream_format;
struct stream {
    object o;
    UInt32 direction, index, starting_channel, channels, latency_frames, terminal;
    stream_format formats[MAX_FORMATS];
    size_t format_count;
    const stream_format *format, *next_format; /* next: NULL, or what a pending change sets */
    bool active;
    /* In an aggregate: the stream of the sub-device, and how many of its frames come with each
     * frame of the aggregate, less one. */
    const struct sub_device *origin;
    UInt32 origin_serial, origin_index;
    double slip;
    const tap *tap; /* of a stream of a tap */
};
/* The memory of a sample in an IOProc's buffer. */
typedef struct sample_format {
    bool is_float, aligned_high, big_endian;
    UInt32 bytes, bits;
} sample_format;
struct control {
    object o;
    UInt32 scope, element;
    float level, low_db, high_db; /* level: 0 to 1, also the position of a pan */
    UInt32 transfer_function, on, slider, current;
    struct {
        UInt32 id;
        char *name;
    } items[MAX_ITEMS];
    size_t item_count;
};

/* device_clock.c: converts between frames of a run and simulated ns */
typedef struct device_clock {
    double nominal_hz, ppm, wander_ppm, wander_period_s, jitter_ns;
    double anchor_ns, anchor_frame;           /* beginning of the run */
    double zero_frame, zero_ns, ns_per_frame; /* the HAL's filtered prediction */
    double next_zero_frame, zero_period_frames;
    uint64_t noise;
} device_clock;
void clock_begin(device_clock *c, double ns, double frame);
double clock_true_ns(const device_clock *c, double frame);
double clock_predicted_ns(const device_clock *c, double frame);
double clock_predicted_frame(const device_clock *c, double ns);
void clock_advance(device_clock *c, double frame); /* processes zero time stamps */
double clock_rate_scalar(const device_clock *c);
uint64_t mix64(uint64_t x); /* splitmix64, the only source of random numbers */

struct device {
    object o;
    char *description, *uid, *name, *maker, *model_uid;
    UInt32 serial, transport, clock_domain;
    double rates[MAX_RATES][2];
    size_t rate_count;
    double rate, old_rate;
    uint64_t old_rate_until_ns;
    UInt32 buffer_frames, buffer_min, buffer_max, base_buffer_max, variable_frames;
    bool buffer_was_set; /* this process has set the buffer size */
    stream *streams[2][MAX_STREAMS];
    size_t stream_count[2];
    UInt32 latency[2], safety[2];
    UInt32 stereo_pair[2][2];       /* of each direction: channels, from 1; 0: the first two */
    UInt32 labels[2][MAX_CHANNELS]; /* of channels, as a client has set them; 0: not set */
    UInt32 process_mute, detects_voice, voice_state; /* of this process */
    bool somebody_speaks;
    char *model_name, *serial_number, *firmware; /* NULL: the device has none */
    char *clock_device; /* the UID of the clock device that it follows, or NULL */
    bool can_be_default[2], hidden, reports_old_rate, model_uid_global_only, identifies,
        names_channels;
    UInt32 identifying, owns_subwoofer;
    control *controls[MAX_CONTROLS];
    size_t control_count;
    int volume_kind; /* 0 none, 1 master, 2 per channel */
    pid_t hog;
    bool hogged_by_format; /* the HAL has taken hog mode, because the format cannot be mixed */
    uint64_t hang_start_ns, hang_get_ns;
    UInt32 hang_selector;
    enum sim_input input;
    double ppm;
    void *workgroup;

    struct io_mutex mutex;
    io_proc *procs;
    int null_starts; /* number of Starts with a NULL proc */
    bool starting;   /* a thread is in AudioDeviceStart */
    run *current, *first_run, *last_run;
    size_t run_count;
    bool changing_rate;     /* S8: IO is paused */
    double pending_rate;    /* 0: none */
    uint64_t change_number; /* number of the current change */
    UInt32 inject_overload;
    bool inject_pending;

    /* S10: changes that the device makes by itself, and what they are about */
    struct {
        void (*apply)(struct device *d, uint64_t value);
        uint64_t value;
    } self_changes[4];
    size_t self_change_count;
    char *headset;               /* devices of the same headset have the same name here */
    double call_rate, best_rate; /* of a headset */
    UInt32 headset_channels, flaps;
    bool wants_call, in_call, has_tap_stream, lost_by_sleep;
    bool becomes_default[2];       /* when it is plugged in */
    struct aggregate *aggregate;   /* NULL: a device of the hardware's */
    struct end_points *end_points; /* of which the device is made; NULL: of none */
    unsigned char *registered[2];  /* the client's buffer list for a direction ('rbuf'), or NULL */
    UInt32 registered_size[2];
};
device *device_find(AudioObjectID id);               /* finds only living devices */
device *device_begin(const char *call, uint32_t id); /* for a control function; locks the world */
device *device_even_dead(AudioObjectID id);
AudioObjectID device_id_with_uid_locked(const char *uid); /* 0: there is none */
int default_index(UInt32 selector); /* in world.default_device; -1: of no default */
UInt32 device_channels(const device *d, int direction);
bool device_supports_rate(const device *d, double rate);
control *control_find(const device *d, AudioClassID class_id, UInt32 scope, UInt32 element);
OSStatus control_select(control *c, UInt32 item); /* these three notify */
void control_set_level(control *c, float scalar);
void control_set_on(control *c, bool on);
void control_changed(const control *c, const UInt32 *selectors, size_t count);
sample_format stream_sample_format(const stream *s); /* of an IOProc's buffer */
bool stream_is_mixable(const stream *s);
bool device_is_mixable(const device *d);
void stream_add_formats(stream *s, const char *names);
char *text_copy(const char *text);
void controls_key_volume(device *d, const char *v);
void controls_key_sources(device *d, const char *v);
void controls_key_controls(device *d, const char *v);
void controls_make(device *d);
void device_clamp_buffer(device *d);
void device_hog_locked(device *d, pid_t pid); /* -1 releases hog mode */
void voice_update_locked(device *d);          /* notifies if the detected voice changes */
void devices_reset_locked(void);
void device_remove_locked(device *d); /* notifies, as these do: */
device *device_add_locked(const char *description);
device *device_make_locked(const char *description, UInt32 serial); /* without a notification */
device *device_replug_locked(const device *old);                    /* NULL: too many devices */
void device_flaps_locked(device *d, UInt32 times);
void device_announce_locked(device *d); /* notifies everything that depends on rate and formats */
void headset_update_locked(const device *changed);
bool power_is_waking_locked(void);
bool consent_wait_locked(bool to_taps); /* to taps, or to the microphone */

void retire_locked(void *memory);
void boxes_reset_locked(void);

/* ---- aggregate.c ---- */
void aggregates_update_locked(const char *uid);
void aggregates_follow_rate_locked(const device *changed);
void aggregate_impose_rate_locked(const device *d, double rate);
void aggregate_of_user_locked(const char *uid, const char *name, const char *const subs[2]);
bool aggregate_runs_locked(const device *sub); /* an aggregate with this sub-device */
void aggregate_free(struct aggregate *a);
void aggregate_uncount_locked(struct aggregate *a);
void aggregates_update_tap_locked(const tap *t); /* it has come, gone or changed */
void aggregates_follow_tap_locked(const tap *t); /* its rate has changed */
bool aggregate_has_tap_locked(const tap *t, bool running);
bool aggregate_waits_for_sound_locked(const device *d);

/* ---- end_points.c ---- */
void end_points_reset_locked(void);
void end_points_device_gone_locked(device *d); /* a device of end points has ended */

/* ---- taps.c ---- */
void taps_update_locked(void); /* a device, its rate or a default device has changed */
void taps_end_locked(void);
void taps_reset_locked(void);
void taps_wake_locked(void); /* a process may have begun to play */
bool taps_wait_locked(const device *d);
bool tap_sounds_locked(const tap *t);
float tap_sample_locked(const run *r, const tap *t, UInt32 channel, double time, double slip);

/* ---- processes.c ---- */
typedef struct process {
    object o;
    pid_t pid;
    char *bundle;
    AudioObjectID device[2]; /* of a simulated process; 0: none */
    UInt32 serial;           /* in its samples */
    enum sim_input sound;
} process;
process *process_find_locked(pid_t pid);
process *process_own_locked(void);
float process_sample_locked(const process *p, UInt32 channel, int64_t sample_time);
bool process_uses_device_locked(const process *p, const device *d, int direction);
bool process_uses_locked(AudioObjectID device, int direction); /* a simulated process */
void process_io_changed_locked(void);
void processes_reset_locked(void);
device *device_from_description(const char *description, UInt32 serial, AudioObjectID *id);

#endif
