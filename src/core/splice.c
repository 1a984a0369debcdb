/* Hides the steps of a signal in which frames are missing. See splice.h. */
#include "splice.h"

#include "memory.h"

#include <math.h>
#include <string.h>

bool vc_splices_make(vc_splices *splices, uint32_t channels, uint32_t length) {
    splices->channels = channels;
    splices->length = length;
    splices->last = vc_memory_new(channels, sizeof(float));
    splices->offset = vc_memory_new(channels, sizeof(float));
    return splices->last != NULL && splices->offset != NULL;
}

void vc_splices_free(vc_splices *splices) {
    vc_memory_free(splices->last);
    vc_memory_free(splices->offset);
}

void vc_splices_begin(vc_splices *splices) {
    memset(splices->last, 0, splices->channels * sizeof(float));
    splices->left = 0;
    splices->cut = false;
    splices->silent = true;
    splices->gap_count = 0;
}

static void forget_oldest(vc_splices *splices) VC_REALTIME {
    splices->gap_count--;
    memmove(splices->gaps, splices->gaps + 1, splices->gap_count * sizeof *splices->gaps);
}

void vc_splices_gap(vc_splices *splices, int64_t start, int64_t end) {
    if (splices->gap_count == VC_SPLICE_GAPS) {
        forget_oldest(splices);
    }
    splices->gaps[splices->gap_count].start = start;
    splices->gaps[splices->gap_count++].end = end;
}

void vc_splices_cut(vc_splices *splices) { splices->cut = true; }

/* The gain at a distance before the beginning of silence, or after its end, if
 * that is positive. */
static double gain_at(const vc_splices *splices, double before, double after) VC_REALTIME {
    double distance = before > 0.0 ? before : after > 0.0 ? after : 0.0;
    return fmin(distance / splices->length, 1.0);
}

static void fade_gaps(const vc_splices *splices, float *data, uint32_t frames, int64_t position,
                      double part, double step, int64_t arrived) VC_REALTIME {
    const uint32_t channels = splices->channels;
    /* The positions are subtracted as doubles: a position may be negative, and then the distance
     * to VC_ALL_ARRIVED is no int64_t. */
    const double left = (double)arrived - (double)position;
    for (uint32_t f = 0; f < frames; f++) {
        const double at = part + f * step;
        double gain = gain_at(splices, left - at, 0.0);
        for (uint32_t g = 0; g < splices->gap_count; g++) {
            double before = (double)(splices->gaps[g].start - position) - at;
            double after = at - (double)(splices->gaps[g].end - position);
            gain = fmin(gain, gain_at(splices, before, after));
        }
        for (uint32_t c = 0; c < channels && gain < 1.0; c++) {
            data[f * channels + c] *= (float)gain;
        }
    }
}

/* Fades out the difference of a cut, and keeps the newest frame. */
static void fade_cut(vc_splices *splices, float *data, uint32_t frames) VC_REALTIME {
    const uint32_t channels = splices->channels;
    if (splices->cut) {
        splices->cut = false;
        splices->left = splices->length;
        for (uint32_t c = 0; c < channels; c++) {
            splices->offset[c] = splices->last[c] - data[c];
        }
    }
    for (uint32_t f = 0; f < frames && splices->left > 0; f++, splices->left--) {
        float share = (float)splices->left / (float)splices->length;
        for (uint32_t c = 0; c < channels; c++) {
            data[f * channels + c] += share * splices->offset[c];
        }
    }
    memcpy(splices->last, data + (size_t)(frames - 1) * channels, channels * sizeof(float));
}

bool vc_splices_silence(vc_splices *splices, float *data, uint32_t frames) {
    bool sounds = false;
    for (uint32_t c = 0; c < splices->channels; c++) {
        sounds |= splices->last[c] != 0.0f;
    }
    splices->cut |= !splices->silent;
    splices->silent = true;
    if (!sounds) {
        splices->cut = false;
        return false;
    }
    memset(data, 0, (size_t)frames * splices->channels * sizeof(float));
    fade_cut(splices, data, frames);
    return true;
}

void vc_splices_apply(vc_splices *splices, float *data, uint32_t frames, int64_t position,
                      double part, double step, int64_t arrived) {
    while (splices->gap_count && splices->gaps[0].end + splices->length < position) {
        forget_oldest(splices);
    }
    if (splices->gap_count || arrived != VC_ALL_ARRIVED) {
        fade_gaps(splices, data, frames, position, part, step, arrived);
    }
    splices->cut |= splices->silent;
    splices->silent = false;
    fade_cut(splices, data, frames);
    /* Frames that arrive late do not continue the silence in their place. */
    splices->cut = arrived != VC_ALL_ARRIVED;
}
