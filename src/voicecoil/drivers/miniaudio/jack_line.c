/* Frames and times that JACK reports for its cycles. See jack_line.h. */
#include "jack_line.h"

bool vc_jack_line_first(const vc_jack_line *line, uint32_t *first) {
    uint64_t current_us = 0, next_us = 0;
    float period_us = 0;
    return line->jack.cycle_times(line->jack.client, first, &current_us, &next_us, &period_us) == 0;
}

bool vc_jack_line_next(vc_jack_line *line, bool fresh, uint32_t frames, vc_jack_call *out) {
    uint32_t first = 0;
    uint64_t current_us = 0, next_us = 0;
    float period_us = 0;
    if (line->jack.cycle_times(line->jack.client, &first, &current_us, &next_us, &period_us)) {
        return false;
    }
    bool next = fresh || first != line->first;
    out->skipped_frames = 0;
    if (next) {
        /* The difference is signed, because the counter wraps, and may have been restarted at a
         * smaller number. */
        int64_t moved = (int32_t)(first - line->first);
        out->skipped_frames = fresh ? 0 : moved - (int64_t)line->done;
        line->first = first;
        line->done = 0;
    }
    out->begin_ns = (int64_t)current_us * 1000;
    out->done_frames = line->done;
    out->period_frames = line->jack.period(line->jack.client);
    line->done += frames;
    return true;
}
