/* The structure of a voice, shared only by voice.c (one voice), schedule.c (those that wait) and
 * voices.c (all of them). */
#ifndef VOICECOIL_VOICE_H
#define VOICECOIL_VOICE_H

#include "heard.h"
#include "levels.h"
#include "pause.h"
#include "place.h"
#include "voicecoil.h"

#include <stdatomic.h>

/* What a voice does when its fade has reached the target. All but VC_MODE_SOUNDS end in silence. */
typedef enum vc_voice_mode {
    VC_MODE_SOUNDS = 0,
    VC_MODE_JUMPS = 1,
    VC_MODE_PAUSES = 2,
    VC_MODE_ENDS = 3 /* no other request replaces a stop */
} vc_voice_mode;

struct vc_voice {
    /* Only for the IO thread. */
    double position; /* in frames of the clip */
    uint64_t loops;  /* passes through the loop that are left; 0: for ever */
    bool past;       /* the voice goes straight to the end of the clip */
    bool wrapped;    /* the frame before loop_begin was the last one of the loop */
    bool begun;
    vc_voice_mode mode;
    vc_levels levels; /* and requests of any thread */
    uint32_t seen;    /* requests that were obeyed */
    uint32_t jumped;
    uint32_t place; /* in the schedule, while the voice waits there */
    bool scheduled;
    bool rested;            /* it was held by a pause of its group or of everything */
    bool parked;            /* its time has come while it was held by a pause */
    int64_t at;             /* as in the config, and later by the pauses since then */
    uint64_t held;          /* frames of the pauses that `at` contains */
    uint64_t seek_word;     /* the newest one that was seen; a later one counts next time */
    vc_voice_config config; /* constant */
    /* Requests. A word is changed before `requests` is counted. */
    _Atomic uint32_t requests;
    _Atomic uint64_t asked_pause; /* bit 32: pause; bits 0 to 31: frames of the fade */
    _Atomic uint64_t asked_stop;  /* the same */
    _Atomic uint64_t asked_seek;  /* bits 16 to 63: the frame; bits 0 to 15: number of the jump */
    /* Only for control. */
    uint64_t stop_number; /* the command that stops the voice; 0: there is none */
    vc_voice *next;       /* in the list of voices that the command still names */
    /* For all threads. */
    _Atomic uint64_t now_at;
    _Atomic uint64_t base;  /* the first frame, or the destination of the newest jump */
    _Atomic uint64_t laps;  /* passes through the loop since then */
    _Atomic double reached; /* the next frame, counted over these passes */
    _Atomic int64_t started_frame, started_ns, ended_ns, late_ns;
    _Atomic int state;
    vc_heard heard; /* its times are ns at the connector, its positions count all passes */
};

#define VC_STOP_BIT (UINT64_C(1) << 32)

/* Adds the voice to a place, from frame `offset` on. Returns whether the voice has ended. [IO] */
bool vc_voice_play(vc_voice *voice, const vc_place *place, uint32_t offset) VC_REALTIME;
/* Obeys requests while a pause holds the voice. A stop, a pause and a jump need no fade then.
 * Returns whether the voice has ended. [IO] */
bool vc_voice_rest(vc_voice *voice, const vc_place *place) VC_REALTIME;

/* The position, counted over all passes since the beginning or the newest jump. [IO] */
double vc_voice_reached(const vc_voice *voice) VC_REALTIME;
/* Notes where the frames from `first` to `end` of the place are heard, of which the first one was
 * at the position `from`. The clock of a device may jitter by half a frame. [IO] */
void vc_voice_note_heard(vc_voice *voice, const vc_place *place, uint32_t first, uint32_t end,
                         double from) VC_REALTIME;

/* Voices that wait for a frame or a time, as a heap: the next one is first. */
typedef struct vc_due {
    int64_t at;
    vc_voice *voice;
} vc_due;
typedef struct vc_schedule {
    vc_due *due;
    uint32_t count;
} vc_schedule;

/* The caller has memory for the voice. [IO] */
void vc_schedule_add(vc_schedule *schedule, vc_voice *voice) VC_REALTIME;
/* The voice must be in the schedule. [IO] */
void vc_schedule_remove(vc_schedule *schedule, vc_voice *voice) VC_REALTIME;
/* Takes the next voice if its `at` is less than `before`; otherwise returns NULL. [IO] */
vc_voice *vc_schedule_take(vc_schedule *schedule, int64_t before) VC_REALTIME;

#endif
