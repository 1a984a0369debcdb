/* world.h: the types and functions that all files of the simulator share.
 *
 * There is one world. `world.lock` protects all of it. Client code (IOProcs, listeners) is only
 * called without that lock. Functions whose name ends in `_locked`, and all static functions unless
 * they say otherwise, expect the lock to be held.
 *
 * An event is a function that becomes due at a simulated time (schedule.c). Events run on the
 * stepping thread. In virtual time, this is the thread that has called sim_advance_ns. In real
 * time, it is a thread of the simulator. Client code runs on workers (worker.c), which are native
 * threads with a queue of jobs. In virtual time, the stepping thread waits for each worker that it
 * gave a job, so exactly one thing happens at a time.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#define COREAUDIO_ABI_PROTOTYPES
#include "coreaudio_abi.h"
#include "coreaudio_simulator.h"
#include "names.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define FOURCC(a, b, c, d) ((UInt32)(a) << 24 | (UInt32)(b) << 16 | (UInt32)(c) << 8 | (UInt32)(d))
enum {
    OUTPUT = 0,
    INPUT = 1,
    MAX_STREAMS = 16,
    MAX_CHANNELS = 64,
    MAX_RATES = 24,
    MAX_FORMATS = 12,
    MAX_CONTROLS = 160,
    MAX_ITEMS = 4
};
#define NS_PER_S 1000000000ull

typedef struct device device;
typedef struct stream stream;
typedef struct control control;
typedef struct run run;
typedef struct io_proc io_proc;
typedef struct worker worker;
typedef struct sim_thread sim_thread;
typedef struct listener listener;
typedef struct tap tap;

/* ---- switches.c ---- */
enum sim_switch {
#define X(name) SW_##name,
    SWITCHES(X)
#undef X
        SW_COUNT
};
#define SWITCH(name) __atomic_load_n(&world.switches[SW_##name], __ATOMIC_RELAXED)

void switches_reset(void);

/* ---- report.c ---- */
enum sim_counter_id {
#define X(name) CN_##name,
    COUNTERS(X)
#undef X
        CN_COUNT
};
void count(enum sim_counter_id counter, int64_t change); /* on any thread, also without the lock */
#define COUNT(name) count(CN_##name, 1)
#define UNCOUNT(name) count(CN_##name, -1)
void report_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_fault(enum sim_counter_id counter, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_stack_of(sim_thread *thread); /* of a living thread, with the world locked */
void report_reset(void);
const char *fourcc_text(UInt32 code); /* 'abcd', in a thread-local buffer */

/* ---- schedule.c: simulated time, events, waits ---- */
typedef void (*event_fn)(void *subject, uint64_t value);
uint64_t now_locked(void);   /* includes the time that this thread's callback has spent */
uint64_t monotonic_ns(void); /* real time */
void at_locked(uint64_t due_ns, event_fn fn, void *subject, uint64_t value);
void cancel_events_locked(void *subject);
/* Waits in simulated time. `hung` is the device that hangs, or NULL. Returns false if the device
 * was removed or the world was reset. */
bool block_until_locked(uint64_t due_ns, device *hung);
void release_waits_locked(const device *device); /* as if their time had passed */
void cancel_waits_locked(device *device);        /* NULL: all waits */
void thread_blocks(sim_thread *t, int change);   /* +1: the thread waits; -1: it goes on */
void step_fails(void);                           /* makes the current sim_advance_ns return -1 */
bool step_one_locked(uint64_t limit_ns);         /* steps to the next event or the limit */
void events_drop_locked(void);
void deadline_in(struct timespec *deadline, uint64_t real_ns);
void real_time_stop(void); /* call this without the lock */
void schedule_reset_locked(void);

/* ---- worker.c: native threads that run client code ---- */
typedef void (*job_fn)(void *subject, uint64_t value); /* runs with the world locked */
worker *worker_start_locked(const char *role, device *io_device);
bool worker_post_locked(worker *w, job_fn fn, void *subject, uint64_t value); /* false: full */
void worker_finish_locked(worker *w); /* ends the worker after its current jobs */
bool worker_wait_locked(worker *w);   /* waits until the worker is idle or ended; false: stalls */
bool worker_is_idle(const worker *w);
void workers_reap(bool all); /* joins ended workers; call this without the lock */
struct worker {
    worker *next;
    pthread_t thread;
    pthread_cond_t wake;
    sim_thread *record;
    const char *role;
    device *io_device;
    struct job {
        job_fn fn;
        void *subject;
        uint64_t value;
    } jobs[64];
    size_t first, count;
    bool busy, finish, ended, stalled;
    bool waking;  /* the IO mutex that the worker waits for is free, so it runs soon */
    int watchers; /* number of threads that wait for this worker, so it must not be freed */
    int blocked;  /* > 0: in a simulated wait, or waits for an IO mutex; the stepper goes on */
    uint64_t number;
};

/* ---- thread.c: a record of each native thread that has entered the library ---- */
struct io_mutex {
    sim_thread *owner;
    int depth;
    pthread_cond_t freed;
    device *device;
};
struct sim_thread {
    sim_thread *next;
    pthread_t pthread;
    long native_id;
    const char *call; /* the API function that the thread executes */
    worker *worker;   /* NULL on a client's thread */
    struct io_mutex *waits_mutex;
    sim_thread *waits_thread; /* the thread for which this one waits, in a Stop or for a lock */
    int blocked;
    bool in_callback, in_io_callback, deadlocked;
    uint64_t spent_ns;   /* virtual time that the current callback has spent */
    void *workgroups[8]; /* in the order in which the thread has joined them */
    int workgroup_depth;
};
sim_thread *thread_self(void); /* creates the record at the first call on a thread */
sim_thread *thread_by_native_id_locked(long native_id);
long native_thread_id(void);
bool enter(const char *call);      /* locks the world; false, without a lock: a forked child */
bool enter_time(const char *call); /* `enter` for functions that an IOProc may call */
void leave(void);
OSStatus refused(void); /* the result of a call if enter returned false */

/* ---- io_lock.c ---- */
bool io_mutex_lock(struct io_mutex *mutex); /* false: a deadlock, which is reported */
void io_mutex_unlock(struct io_mutex *mutex);
bool thread_wait_deadlocks_locked(sim_thread *self, const char *what);

#include "device.h"

/* ---- io_proc.c, io_thread.c, io_buffers.c ---- */
struct io_proc {
    io_proc *next;
    device *device;
    AudioDeviceIOProc proc;
    const void *block;
    void *client_data;
    bool by_function; /* made by AudioDeviceAddIOProc: its ID is the function */
    bool running, destroyed;
    UInt32 linger; /* number of cycles that call this IOProc after an asynchronous stop */
    bool waits_for_time;
    double start_frame;
    bool usage[2][MAX_STREAMS];
    UInt32 cycles;
};
OSStatus dead_device(void); /* the error of AudioDevice* for a dead device */
uint64_t ns_from_ticks(uint64_t ticks);
io_proc *io_proc_find(device *d, AudioDeviceIOProcID id);
bool device_wants_io(const device *d);
void io_begin_locked(device *d, uint64_t first_cycle_ns, bool announce);
bool io_calls_back(const device *d);       /* false: see the switch `callbacks_never` */
void io_end_locked(run *r, bool announce); /* the IO thread then ends by itself */
void io_interrupt_locked(device *d);       /* without notice; waits for a callback that runs */
void io_wait_locked(worker *io);           /* for a callback that runs, in virtual time */
/* Whether the last callback of interrupted IO has returned. If not, the event comes again in a ms.
 */
bool io_has_ended_locked(device *d, event_fn again, uint64_t value);
void io_resume_locked(device *d); /* begins IO after an interruption, if a client wants it */
void io_call_listeners_locked(device *d, UInt32 selector, UInt32 scope); /* call on IO thread */
void io_proc_free(io_proc **at); /* takes it out of the list that `at` points into */
void io_procs_forget_locked(device *d);

struct run {
    run *next;
    device *device;
    size_t index;
    worker *worker;
    uint64_t thread_number;
    device_clock clock;
    double rate;
    double first_wake, wake, in_cursor, out_cursor; /* frames */
    UInt32 nominal;                                 /* buffer size to which the cursors belong */
    bool silent;     /* S10: the device does not play or record yet */
    bool last_cycle; /* S8: the next cycle is shorter and the last one */
    bool ending, ended;
    uint64_t cycles, skipped_frames, noise;
    UInt32 latency[2][MAX_STREAMS]; /* of device and stream together, when the run began */
    /* The captured frames of each output stream, interleaved (capture.c). The first one has the
     * sample time capture_first. */
    double capture_first;
    uint64_t capture_frames, capture_room, capture_dropped, gap_frames;
    float *capture[MAX_STREAMS];
    uint8_t *present;
    UInt32 channels[2][MAX_STREAMS];
    sample_format samples[2][MAX_STREAMS];
    struct {
        UInt32 serial, index;
        double slip;
        const device *from; /* the sub-device whose stream it is; NULL: the device's own */
        const tap *tap;     /* NULL: a stream of a device */
        bool deaf;          /* the tap was added too late */
        bool is_code;       /* the samples of this cycle identify themselves */
    } input[MAX_STREAMS];   /* what the input streams record */
    size_t stream_count[2];
    float *mix[MAX_STREAMS], *source[MAX_STREAMS];
    UInt32 mix_room;
    struct io_arena *arena;
};
void capture_write(run *r, double sample_time, UInt32 frames, float *const mix[]);
void capture_gap(run *r, double sample_time, UInt32 frames);
float capture_sample(const run *r, UInt32 stream, UInt32 channel, double sample_time);
void capture_free(run *r);

/* The buffers for one call of one IOProc. */
typedef struct io_call {
    AudioBufferList *input, *output;
} io_call;
bool io_buffers_prepare(run *r, const io_proc *p, UInt32 frames, io_call *call);
void io_buffers_finish(run *r, const io_proc *p, UInt32 frames, io_call *call, bool keep);
void io_buffers_fill_input(run *r, double sample_time, UInt32 frames);
void io_buffers_free(run *r);
/* sample_format.c: one sample as float32. Full scale of an integer is 1; an input sample that the
 * oracle made keeps its lowest bits. */
float sample_read(const sample_format *f, const unsigned char *bytes);
void sample_write(const sample_format *f, float sample, bool is_code, unsigned char *bytes);

/* ---- listeners.c ---- */
typedef struct change {
    AudioObjectPropertyAddress addresses[64];
    UInt32 count;
} change;
void change_add(change *c, UInt32 selector, UInt32 scope);
void change_add_element(change *c, UInt32 selector, UInt32 scope, UInt32 element);
void notify_locked(AudioObjectID object, const change *c);
void notify_one_locked(AudioObjectID object, UInt32 selector, UInt32 scope);
void notify_sides_locked(AudioObjectID object, UInt32 selector); /* input and output together */
void notify_restart_locked(void); /* notifies 'srst', which is the listeners' last notification */
void listeners_reset_locked(void);
/* How a listener is called. The functions older than macOS 10.6 have listeners of other types. */
typedef struct listener_call {
    enum { OBJECT_LISTENER, HARDWARE_LISTENER, DEVICE_LISTENER, STREAM_LISTENER } manner;
    void (*proc)(void); /* NULL: a block */
    const void *block;  /* the client's block, which identifies the listener */
    void *client_data;
    bool any_client_data; /* in a removal */
} listener_call;
OSStatus listener_add(const char *call, AudioObjectID id, const AudioObjectPropertyAddress *a,
                      listener_call c);
OSStatus listener_remove(const char *call, AudioObjectID id, const AudioObjectPropertyAddress *a,
                         listener_call c);
void listener_invoke(const listener_call *c, AudioObjectID id, UInt32 count,
                     const AudioObjectPropertyAddress *addresses); /* old_calls.c */
void deliveries_drop_locked(void *subject); /* frees an event or job that will not run */
event_fn listeners_event(void);
void run_loop_deliver_locked(void *run_loop, job_fn fn, void *subject); /* cf_run_loop.c */
bool run_loop_is_known_locked(const void *run_loop);
void *run_loop_main_locked(void);
void run_loops_reset_locked(void);

/* ---- injection.c: replies and errors that a test sets ---- */
bool injected_error(const char *call, OSStatus *error); /* call this without the lock */
typedef struct override override;
const override *override_find(AudioObjectID id, const AudioObjectPropertyAddress *a);
OSStatus override_reply(const override *o, UInt32 *size, void *data); /* no data: a size query */
void injection_reset_locked(void);

/* ---- transactions.c ---- */
OSStatus change_rate_locked(device *d, double rate, bool by_client);
/* Sets the formats that streams have as `next_format`, and a rate. */
OSStatus change_formats_locked(device *d, double rate);
void change_ended_due(void *subject, uint64_t number); /* an event: IO resumes after a change */
OSStatus change_buffer_locked(device *d, UInt32 frames);
double device_reported_rate(const device *d);

/* ---- CoreFoundation ---- */
enum cf_type {
    CF_NONE,
    CF_STRING,
    CF_ARRAY,
    CF_NUMBER,
    CF_BOOLEAN,
    CF_DICTIONARY,
    CF_DATA,
    CF_URL,
    CF_RUN_LOOP,
    CF_ALLOCATOR,
    CF_NULL,
    CF_UUID,
    CF_SOURCE,
    CF_TIMER,
    /* Objects of Objective-C that are not CoreFoundation's (objc.h). */
    CF_CLASS,
    CF_ALLOCATED,
    CF_POOL,
    CF_NSUUID,
    CF_TAP_DESCRIPTION
};
typedef struct cf_object {
    uint32_t magic;
    enum cf_type type;
    int64_t count;
    bool immortal, internal;
    struct cf_object *next, *previous;
    void (*finalise)(struct cf_object *);
    void *made_at[6];
    int made_depth;
} cf_object;
void *cf_new(enum cf_type type, size_t size, void (*finalise)(cf_object *));
bool cf_is(const void *object, enum cf_type type);
CFStringRef cf_string(const char *utf8);
char *cf_copy_utf8(CFStringRef string); /* the caller frees the text */
void cf_reset(void);
void objc_reset(void); /* the autorelease pools forget the objects of the old world */
size_t cf_report_leaks(void);

const void *block_copy(const void *block);
void block_release(const void *block);
void *block_invoke(const void *block);

void *workgroup_new(device *d);
void workgroup_invalidate(void *workgroup);
void workgroups_thread_exit(sim_thread *t);
void workgroup_release_internal(void *workgroup);

/* ---- the world ---- */
typedef struct world_state {
    pthread_mutex_t lock;
    pid_t pid;
    uint64_t seed, noise;
    int64_t switches[SW_COUNT];
    int macos;
    UInt32 timebase_numer, timebase_denom;

    bool is_virtual;
    uint64_t now_ns; /* virtual time */
    sim_thread *stepper;
    pthread_cond_t changed; /* signals that a worker, waiter or stepper has changed its state */
    size_t blocked_clients;

    object **objects; /* index: ID; [0] is NULL */
    size_t object_room, object_next;
    object system, plug_in;
    device *devices[64]; /* living devices, in the order of the device list */
    size_t device_count;
    device *all_devices[512]; /* also dead devices, whose captures can be read */
    size_t all_device_count;
    UInt32 next_serial;
    AudioObjectID default_device[3]; /* output, input, system output */

    void *run_loop; /* value of 'rnlp'; NULL: notifications come on a thread of the simulator */
    worker *notifier;
    worker *workers;
    uint64_t worker_number;
    sim_thread *threads;
    struct retired {
        struct retired *next;
        void *memory;
    } *retired;
    process *processes[64];
    size_t process_count;
    UInt32 next_process_serial;
    tap *taps[256]; /* also those that were destroyed */
    size_t tap_count;
    bool asleep;
    uint64_t woken_ns; /* 0: never */
    enum sim_consent consent, tap_consent;
    float chime; /* volume, 0 to 1 */
    UInt32 sleeping_allowed, hog_allowed, unloading_allowed, power_hint, is_audible, mono,
        input_mute;
} world_state;
extern world_state world;
void world_begin_locked(void); /* makes the system object; called at load and after a reset */

#endif
