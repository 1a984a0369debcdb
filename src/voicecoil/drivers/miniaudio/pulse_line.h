/* pulse_line.h - when PulseAudio plays what it is given, as its server says.
 *
 * The server says, in its timing information, how many bytes of a stream it has played or recorded
 * at a moment, how long the device's own buffer is, and since which byte it has played without a
 * break. So the time of every frame is known, and what a break cost: so much later are the frames
 * behind it. Without that, the client sees only when it is asked for more.
 *
 * All calls of libpulse are made on the thread that runs the stream's main loop, which is the IO
 * thread; miniaudio makes its own calls there, which write to the same socket.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_MINIAUDIO_PULSE_LINE_H
#define VOICECOIL_MINIAUDIO_PULSE_LINE_H

#include "voicecoil.h"

/* pa_timing_info, as pulse/def.h has it since PulseAudio 0.9.11. */
typedef struct vc_pulse_info {
    struct {
        int64_t s, us;
    } timestamp; /* of the system's real-time clock */
    int synchronized_clocks;
    uint64_t sink_us, source_us, transport_us;
    int playing;
    int write_index_corrupt;
    int64_t write_index; /* bytes */
    int read_index_corrupt;
    int64_t read_index;
    uint64_t configured_sink_us, configured_source_us;
    int64_t since_underrun; /* bytes played since the last break, if it plays */
} vc_pulse_info;

typedef const vc_pulse_info *(*vc_pulse_info_fn)(void *stream)VC_REALTIME;
typedef void *(*vc_pulse_update_fn)(void *stream, void *callback, void *user)VC_REALTIME;
typedef void (*vc_pulse_unref_fn)(void *operation) VC_REALTIME;

typedef struct vc_ma_pulse {
    vc_pulse_info_fn info;     /* pa_stream_get_timing_info. NULL: not PulseAudio */
    vc_pulse_update_fn update; /* pa_stream_update_timing_info */
    vc_pulse_unref_fn unref;   /* pa_operation_unref */
    void *stream;
    bool is_playback;
    uint32_t frame_bytes;
    int64_t (*real_ns)(void) VC_REALTIME; /* NULL: the system's real-time clock */
} vc_ma_pulse;

typedef struct vc_pulse_line {
    vc_ma_pulse pulse;
    double ns_per_frame;
    /* the IO thread's */
    bool known;
    int64_t base_ns; /* host time of the stream's byte 0 at the connector */
    int64_t began;   /* the byte since which it has played without a break */
    int64_t seen_us; /* time stamp of the newest information */
    int64_t asked_ns;
} vc_pulse_line;

/* One call. */
typedef struct vc_pulse_call {
    int64_t host_ns;     /* when the next frame is at the connector */
    int64_t lost_frames; /* that breaks took, which the server has told of since the last call */
} vc_pulse_call;

/* A new run: what is known of the last one does not hold. [IO] */
void vc_pulse_line_begin(vc_pulse_line *line) VC_REALTIME;
/* Looks what the server said, and asks it again from time to time. False: nothing is known yet.
 * [IO] */
bool vc_pulse_line_next(vc_pulse_line *line, int64_t now_ns, vc_pulse_call *out) VC_REALTIME;

#endif
