/* pulse_line.h - the time line of a PulseAudio stream, from the server's timing information.
 *
 * The server reports how many bytes of a stream it has played or recorded at a moment, how long the
 * device's own buffer is, and since which byte it has played without a break. The driver computes
 * from this the time of each frame and the length of each break. A break delays all later frames by
 * its length. Without this information, the driver would only know when the server asks for more
 * frames.
 *
 * The functions here call libpulse on the thread that runs the stream's main loop, which is the IO
 * thread. miniaudio makes its own calls on the same thread, and they write to the same socket.
 *
 * Threads: as in voicecoil.h. */
#ifndef VOICECOIL_MINIAUDIO_PULSE_LINE_H
#define VOICECOIL_MINIAUDIO_PULSE_LINE_H

#include "voicecoil.h"

/* pa_timing_info, as pulse/def.h has it since PulseAudio 0.9.11. */
typedef struct vc_pulse_info {
    struct {
        int64_t s, us;
    } timestamp; /* when the report was made, on the system's real-time clock */
    int synchronized_clocks;
    uint64_t sink_us, source_us, transport_us;
    int playing;
    int write_index_corrupt;
    int64_t write_index; /* bytes */
    int read_index_corrupt;
    int64_t read_index;
    uint64_t configured_sink_us, configured_source_us;
    int64_t since_underrun; /* bytes played since the last break, if the stream plays */
} vc_pulse_info;

typedef const vc_pulse_info *(*vc_pulse_info_fn)(void *stream)VC_REALTIME;
typedef void *(*vc_pulse_update_fn)(void *stream, void *callback, void *user)VC_REALTIME;
typedef void (*vc_pulse_unref_fn)(void *operation) VC_REALTIME;

typedef struct vc_ma_pulse {
    vc_pulse_info_fn info;     /* pa_stream_get_timing_info; NULL: the device is not PulseAudio */
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
    /* only for the IO thread */
    bool known;
    int64_t base_ns; /* host time of the stream's byte 0 at the connector */
    int64_t began;   /* byte since which the stream has played without a break */
    int64_t seen_us; /* time stamp of the newest information */
    int64_t asked_ns;
} vc_pulse_line;

/* The result for one call of the driver. */
typedef struct vc_pulse_call {
    int64_t host_ns;     /* host time of the next frame at the connector */
    int64_t lost_frames; /* length of the breaks that the server has reported since the last call */
} vc_pulse_call;

/* Begins a new run. The information of the last run is dropped. [IO] */
void vc_pulse_line_begin(vc_pulse_line *line) VC_REALTIME;
/* Reads the server's newest timing information, and regularly asks the server for new information.
 * Returns false if there is none yet. [IO] */
bool vc_pulse_line_next(vc_pulse_line *line, int64_t now_ns, vc_pulse_call *out) VC_REALTIME;

#endif
