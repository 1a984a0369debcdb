/* Reads from the server's timing information when PulseAudio plays frames. See pulse_line.h. */
#include "pulse_line.h"

#include <math.h>
#include <time.h>

static const int64_t ASK_NS = 50000000;  /* how often the server is asked */
static const int64_t NOISE_NS = 1000000; /* a shorter break is within the error of measurement */
static const int64_t SMOOTHING = 8;
static const int64_t MAX_AGE_NS = 5000000000; /* of a report, when it is read */

static int64_t real_ns(const vc_pulse_line *line) VC_REALTIME;
static int64_t real_ns(const vc_pulse_line *line) {
    if (line->pulse.real_ns) {
        return line->pulse.real_ns();
    }
    struct timespec now;
    VC_UNPROVEN /* the clock is read from memory that the kernel shares */
        timespec_get(&now, TIME_UTC);
    VC_PROVEN_AGAIN
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t bytes_ns(const vc_pulse_line *line, int64_t bytes) {
    return llrint((double)bytes / line->pulse.frame_bytes * line->ns_per_frame);
}

/* Returns the host time of the stream's byte 0 at the connector, from a report made at `moment_ns`.
 */
static int64_t base_of(const vc_pulse_line *line, const vc_pulse_info *info, int64_t moment_ns) {
    int64_t sink_ns = (int64_t)info->sink_us * 1000;
    if (line->pulse.is_playback) {
        return moment_ns + sink_ns - bytes_ns(line, info->read_index);
    }
    /* If the stream records the monitor of a sink, its frames have not been heard yet, because they
     * are still in the sink's buffer. */
    return moment_ns + sink_ns - (int64_t)info->source_us * 1000 -
           bytes_ns(line, info->write_index);
}

void vc_pulse_line_begin(vc_pulse_line *line) {
    line->known = false;
    line->asked_ns = 0;
}

/* Updates the line from a new report. Returns the length of the break that the report shows, ns. */
static int64_t learn(vc_pulse_line *line, const vc_pulse_info *info, int64_t base_ns) {
    int64_t moved_ns = base_ns - line->base_ns;
    int64_t began = info->read_index - info->since_underrun;
    bool broke = line->pulse.is_playback && began > line->began;
    if (!line->known || broke || moved_ns > 5 * NOISE_NS || moved_ns < -5 * NOISE_NS) {
        line->base_ns = base_ns;
    } else {
        line->base_ns += moved_ns / SMOOTHING;
    }
    bool lost = line->known && broke && moved_ns > NOISE_NS;
    line->began = began;
    line->known = true;
    return lost ? moved_ns : 0;
}

static void ask(vc_pulse_line *line, int64_t now_ns) {
    if (line->asked_ns != 0 && now_ns - line->asked_ns < ASK_NS) {
        return;
    }
    line->asked_ns = now_ns;
    void *operation = line->pulse.update(line->pulse.stream, NULL, NULL);
    if (operation) {
        line->pulse.unref(operation);
    }
}

bool vc_pulse_line_next(vc_pulse_line *line, int64_t now_ns, vc_pulse_call *out) {
    const vc_pulse_info *info = line->pulse.info(line->pulse.stream);
    ask(line, now_ns);
    out->lost_frames = 0;
    if (!info || info->write_index_corrupt || info->read_index_corrupt) {
        return false;
    }
    int64_t stamp_us = info->timestamp.s * 1000000 + info->timestamp.us;
    bool plays = !line->pulse.is_playback || (info->playing && info->since_underrun > 0);
    if (stamp_us != line->seen_us && plays) {
        int64_t age_ns = real_ns(line) - stamp_us * 1000;
        /* PulseAudio's time stamps are on the wall clock. If that clock was set after the report
         * was made, the report is not used. The next one comes after ASK_NS. */
        if (age_ns > -NOISE_NS && age_ns < MAX_AGE_NS) {
            int64_t lost_ns = learn(line, info, base_of(line, info, now_ns - age_ns));
            out->lost_frames = llrint((double)lost_ns / line->ns_per_frame);
        }
    }
    line->seen_us = stamp_us;
    int64_t next = line->pulse.is_playback ? info->write_index : info->read_index;
    out->host_ns = line->base_ns + bytes_ns(line, next);
    return line->known;
}
