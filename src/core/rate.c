/* Runs an engine in the cycles of a device that has another rate. See rate.h.
 *
 * Frames of the device and of the engine are counted from the start of the run, without those that
 * were lost. After D frames of the device, the engine has run floor(D * step) frames, and `rest`
 * is what is left, as a fraction. So no error of rounding accumulates.
 *
 * Each direction has a window: the newest frames before the resampler, planar. */
#include "rate.h"

#include "audio.h"
#include "engine.h"
#include "memory.h"
#include "resampler.h"
#include "smaller.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { INPUT = 0, OUTPUT = 1, UNTIMED = 2, KINDS = 3 };
/* PART: frames of the device that are converted at a time. MARGIN: frames of the delay that the
 * rounding of positions may need. */
enum { PART = 1024, LOSSES = 8, MARGIN = 2 };

/* Frames that the device has lost: by the sample times of the input and of the output, and those
 * that its driver has counted without sample times. A time line that was restarted gives a negative
 * number. */
typedef struct jump {
    int64_t at; /* the engine's frame before which they are missing */
    int64_t frames[KINDS];
} jump;

struct vc_rate {
    vc_rate_config config;
    int64_t engine_steps, device_steps; /* frames that have the same duration, reduced */
    double step;                        /* frames of the engine per frame of the device */
    double ns_per_frame;                /* of the device */
    uint32_t channels[2];
    vc_resampler *resampler[2]; /* NULL in a direction that the device does not have */
    uint32_t delay[2]; /* of the input, in frames of the device; of the output, the engine's */
    uint32_t kept[2];  /* frames of each window before those of the present part */
    size_t stride[2];  /* frames of each window */
    float *window[2];  /* of the input, frames of the device; of the output, the engine's */
    float *block[2];   /* one part at the engine's rate, interleaved */
    float *played;     /* one part of the output at the device's rate, interleaved */

    /* Only for the IO thread. */
    int64_t made;        /* frames that the engine has run */
    int64_t rest;        /* the part of a frame of the engine that is left, in 1 / device_steps */
    int64_t content_end; /* the frame after the last one that the user's code has made */
    bool expect[2];      /* whether the two fields below are known */
    int64_t next[2];     /* the next sample time of the device */
    int64_t base[2];     /* sample time of the engine's frame 0, without losses */
    int64_t lost[KINDS]; /* lost frames of the device that the sample times contain */
    uint32_t untimed;    /* of the losses without sample times: for the next cycle of the engine */
    jump jumps[LOSSES];  /* losses that the engine has not reached yet, oldest first */
    uint32_t jump_count;
};

/* ---- control ----------------------------------------------------------------------------------
 */

static int64_t common_divisor(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t left = a % b;
        a = b;
        b = left;
    }
    return a;
}

uint32_t vc_rate_delay_frames(double from_hz, double to_hz) {
    return vc_resampler_reach_at(from_hz / to_hz) + MARGIN;
}

static bool make_direction(vc_rate *rate, int d, double from_hz, double to_hz, uint32_t newest) {
    rate->resampler[d] = vc_resampler_new(from_hz / to_hz);
    rate->delay[d] = vc_rate_delay_frames(from_hz, to_hz);
    uint32_t reach = vc_resampler_reach_at(from_hz / to_hz);
    rate->kept[d] = rate->delay[d] + reach + (uint32_t)ceil(from_hz / to_hz) + MARGIN;
    rate->stride[d] = (size_t)rate->kept[d] + newest;
    rate->window[d] = vc_memory_new(rate->stride[d] * rate->channels[d], sizeof(float));
    size_t most = (size_t)((double)PART * rate->step) + 2;
    rate->block[d] = vc_memory_new(most * rate->channels[d], sizeof(float));
    return rate->resampler[d] != NULL && rate->window[d] != NULL && rate->block[d] != NULL;
}

vc_rate *vc_rate_new(const vc_rate_config *config) {
    vc_rate *rate = vc_memory_new(1, sizeof *rate);
    if (rate == NULL) {
        return NULL;
    }
    rate->config = *config;
    rate->channels[INPUT] = config->input_channels;
    rate->channels[OUTPUT] = config->output_channels;
    /* Rates in whole thousandths of a hertz. */
    int64_t engine = llrint(config->engine_hz * 1e3), device = llrint(config->device_hz * 1e3);
    int64_t divisor = common_divisor(engine, device);
    rate->engine_steps = engine / divisor;
    rate->device_steps = device / divisor;
    rate->step = (double)rate->engine_steps / (double)rate->device_steps;
    rate->ns_per_frame = 1e9 / config->device_hz;
    bool made = true;
    if (rate->channels[INPUT]) {
        made &= make_direction(rate, INPUT, config->device_hz, config->engine_hz, PART);
    }
    if (rate->channels[OUTPUT]) {
        uint32_t newest = (uint32_t)((double)PART * rate->step) + 2;
        made &= make_direction(rate, OUTPUT, config->engine_hz, config->device_hz, newest);
        rate->played = vc_memory_new((size_t)PART * rate->channels[OUTPUT], sizeof(float));
        made &= rate->played != NULL;
    }
    if (!made) {
        vc_rate_free(rate);
        return NULL;
    }
    vc_rate_begin(rate);
    return rate;
}

void vc_rate_free(vc_rate *rate) {
    if (rate != NULL) {
        for (int d = INPUT; d <= OUTPUT; d++) {
            vc_resampler_free(rate->resampler[d]);
            vc_memory_free(rate->window[d]);
            vc_memory_free(rate->block[d]);
        }
        vc_memory_free(rate->played);
        vc_memory_free(rate);
    }
}

void vc_rate_begin(vc_rate *rate) {
    for (int d = INPUT; d <= OUTPUT; d++) {
        if (rate->window[d] != NULL) {
            memset(rate->window[d], 0, rate->stride[d] * rate->channels[d] * sizeof(float));
        }
        rate->expect[d] = false;
    }
    rate->made = rate->rest = 0;
    rate->content_end = INT64_MIN / 2;
    memset(rate->lost, 0, sizeof rate->lost);
    rate->untimed = 0;
    rate->jump_count = 0;
}

/* ---- losses and times -------------------------------------------------------------------------
 */

/* Returns by how many frames the device's sample time is ahead of the one that was due. */
static int64_t gap(vc_rate *rate, int d, const vc_time *time, uint32_t frames) VC_REALTIME {
    if (rate->channels[d] == 0 || (time->valid & VC_TIME_SAMPLE) == 0) {
        return 0;
    }
    if (!rate->expect[d]) {
        rate->expect[d] = true;
        double delay = d == INPUT ? -(double)rate->delay[d] * rate->step : (double)rate->delay[d];
        rate->base[d] = llrint((double)time->sample_frames * rate->step + delay) - rate->made;
        rate->next[d] = time->sample_frames;
    }
    int64_t ahead = time->sample_frames - rate->next[d];
    rate->next[d] = time->sample_frames + frames;
    return ahead;
}

static void find_losses(vc_rate *rate, const vc_cycle *cycle) VC_REALTIME {
    jump found = {.at = rate->made};
    found.frames[INPUT] = gap(rate, INPUT, &cycle->input_time, cycle->frames);
    found.frames[OUTPUT] = gap(rate, OUTPUT, &cycle->output_time, cycle->frames);
    found.frames[UNTIMED] = cycle->lost_frames;
    if ((found.frames[INPUT] | found.frames[OUTPUT] | found.frames[UNTIMED]) == 0) {
        return;
    }
    if (rate->channels[INPUT]) { /* the first frame after the loss is still in the resampler */
        int64_t later = rate->rest + (int64_t)rate->delay[INPUT] * rate->engine_steps;
        found.at += (later + rate->device_steps - 1) / rate->device_steps;
    }
    if (rate->jump_count < LOSSES) {
        rate->jumps[rate->jump_count++] = found;
        return;
    }
    for (int k = 0; k < KINDS; k++) { /* there is no room, so they count a little too early */
        rate->jumps[LOSSES - 1].frames[k] += found.frames[k];
    }
}

static int64_t to_engine(const vc_rate *rate, int64_t device_frames) VC_REALTIME {
    return llrint((double)device_frames * rate->step);
}

/* Counts the losses that are before a frame of the engine. */
static void pass_losses(vc_rate *rate, int64_t frame) VC_REALTIME {
    uint32_t passed = 0;
    int64_t before = to_engine(rate, rate->lost[UNTIMED]);
    while (passed < rate->jump_count && rate->jumps[passed].at <= frame) {
        for (int k = 0; k < KINDS; k++) {
            rate->lost[k] += rate->jumps[passed].frames[k];
        }
        passed++;
    }
    rate->jump_count -= passed;
    for (uint32_t i = 0; i < rate->jump_count && passed; i++) {
        rate->jumps[i] = rate->jumps[i + passed];
    }
    rate->untimed += (uint32_t)(to_engine(rate, rate->lost[UNTIMED]) - before);
}

/* The time of a frame of the engine that is `ahead` frames of the device after `time`. */
static vc_time time_of(const vc_rate *rate, int d, const vc_time *time, int64_t frame,
                       double ahead) VC_REALTIME {
    vc_time found = *time;
    found.host_ns += llrint(ahead * rate->ns_per_frame);
    found.sample_frames = rate->base[d] + frame + to_engine(rate, rate->lost[d]);
    return found;
}

/* Sets the times of a cycle of the engine that begins at its frame made + `from`. The part of the
 * device's cycle begins at `offset`. */
static void set_times(const vc_rate *rate, vc_cycle *inner, const vc_cycle *cycle, uint32_t offset,
                      uint32_t from) VC_REALTIME {
    const int64_t frame = rate->made + from;
    /* From the device's first frame of the part to the same moment of the engine's frame. */
    const double start = (double)offset - (double)rate->rest / (double)rate->engine_steps;
    double input_ahead = start + from / rate->step - rate->delay[INPUT];
    for (uint32_t i = 0; i < rate->jump_count; i++) {
        input_ahead -= (double)rate->jumps[i].frames[INPUT];
    }
    const double output_ahead = start + (from + rate->delay[OUTPUT]) / rate->step;
    inner->input_time = time_of(rate, INPUT, &cycle->input_time, frame, input_ahead);
    inner->output_time = time_of(rate, OUTPUT, &cycle->output_time, frame, output_ahead);
    const bool input = rate->channels[INPUT] != 0;
    const vc_time *mine = input ? &inner->input_time : &inner->output_time;
    const vc_time *theirs = input ? &cycle->input_time : &cycle->output_time;
    double apart = (double)(theirs->sample_frames - cycle->now.sample_frames);
    inner->now = cycle->now;
    inner->now.sample_frames =
        mine->sample_frames - llrint((apart + (input ? input_ahead : output_ahead)) * rate->step);
}

/* ---- one part of a cycle ----------------------------------------------------------------------
 */

static vc_audio interleaved(float *data, uint32_t channels, uint32_t offset) VC_REALTIME {
    return (vc_audio){.data = channels ? data + (size_t)offset * channels : NULL,
                      .frame_stride = (ptrdiff_t)channels,
                      .channel_stride = 1,
                      .channels = channels};
}

/* The frames of a window that are new in this part. */
static vc_audio newest(const vc_rate *rate, int d) VC_REALTIME {
    return (vc_audio){.data = rate->window[d] + rate->kept[d],
                      .frame_stride = 1,
                      .channel_stride = (ptrdiff_t)rate->stride[d],
                      .channels = rate->channels[d]};
}

/* Resamples from a window. `position` is that of the first frame, from the newest ones. */
static void resample(const vc_rate *rate, int d, double position, double step, float *to,
                     uint32_t frames) VC_REALTIME {
    const vc_resampler_input from = {.data = rate->window[d],
                                     .channel_stride = rate->stride[d],
                                     .channels = rate->channels[d],
                                     .position = position + rate->kept[d],
                                     .step = step};
    vc_resample(rate->resampler[d], &from, to, frames);
}

/* Moves the newest `frames` frames of a window to those that are kept. */
static void shift(vc_rate *rate, int d, uint32_t frames) VC_REALTIME {
    for (uint32_t c = 0; c < rate->channels[d]; c++) {
        float *channel = rate->window[d] + c * rate->stride[d];
        memmove(channel, channel + frames, rate->kept[d] * sizeof(float));
    }
}

static void take_input(vc_rate *rate, const vc_cycle *cycle, uint32_t offset, uint32_t frames,
                       uint32_t count) VC_REALTIME {
    const vc_audio to = newest(rate, INPUT);
    vc_audio_copy(&to, 0, &cycle->input, offset, frames);
    vc_audio_scrub(&to, frames); /* the filter would spread an infinite sample to other frames */
    double position = -(double)rate->rest / (double)rate->engine_steps - rate->delay[INPUT];
    resample(rate, INPUT, position, 1.0 / rate->step, rate->block[INPUT], count);
    shift(rate, INPUT, frames);
}

static void give_output(vc_rate *rate, const vc_cycle *cycle, uint32_t offset, uint32_t frames,
                        uint32_t count) VC_REALTIME {
    const uint32_t channels = rate->channels[OUTPUT];
    const vc_audio made = interleaved(rate->block[OUTPUT], channels, 0), to = newest(rate, OUTPUT);
    vc_audio_copy(&to, 0, &made, 0, count);
    double position = (double)rate->rest / (double)rate->device_steps - rate->delay[OUTPUT];
    resample(rate, OUTPUT, position, rate->step, rate->played, frames);
    const vc_audio played = interleaved(rate->played, channels, 0);
    vc_audio_copy(&cycle->output, offset, &played, 0, frames);
    shift(rate, OUTPUT, count);
}

/* Runs the engine for `count` frames, in one cycle, or in several if losses are between them. */
static void run_engine(vc_rate *rate, vc_engine *engine, const vc_cycle *cycle, uint32_t offset,
                       uint32_t count) VC_REALTIME {
    const uint32_t outputs = rate->channels[OUTPUT];
    for (uint32_t from = 0, end; from < count; from = end) {
        pass_losses(rate, rate->made + from);
        end = count;
        if (rate->jump_count && rate->jumps[0].at < rate->made + count) {
            end = (uint32_t)(rate->jumps[0].at - rate->made);
        }
        vc_cycle inner = {
            .frames = end - from,
            .lost_frames = rate->untimed,
            .input = interleaved(rate->block[INPUT], rate->channels[INPUT], from),
            .output = interleaved(rate->block[OUTPUT], outputs, from),
            .called_ns = offset == 0 && from == 0 ? cycle->called_ns : 0,
        };
        if (outputs) {
            double drain = ceil(cycle->drain_frames * rate->step);
            inner.drain_frames = (uint32_t)drain + rate->delay[OUTPUT] + MARGIN;
        }
        rate->untimed = 0;
        set_times(rate, &inner, cycle, offset, from);
        uint32_t valid = vc_run_converted(engine, &inner);
        if (valid) {
            rate->content_end = rate->made + from + valid;
        }
    }
}

/* The number of frames of a part whose sound the user's code has made. */
static uint32_t content(const vc_rate *rate, uint32_t frames) VC_REALTIME {
    double position = (double)rate->rest / (double)rate->device_steps - rate->delay[OUTPUT];
    double after = (double)(rate->content_end - rate->made) - position;
    double found = ceil(after / rate->step);
    return found <= 0.0 ? 0 : found >= frames ? frames : (uint32_t)found;
}

static uint32_t run_part(vc_rate *rate, vc_engine *engine, const vc_cycle *cycle, uint32_t offset,
                         uint32_t frames) VC_REALTIME {
    const int64_t steps = rate->rest + frames * rate->engine_steps;
    const uint32_t count = (uint32_t)(steps / rate->device_steps);
    uint32_t valid = 0;
    if (rate->channels[INPUT]) {
        take_input(rate, cycle, offset, frames, count);
    }
    run_engine(rate, engine, cycle, offset, count);
    if (rate->channels[OUTPUT]) {
        vc_state state = vc_engine_state(engine);
        if (state == VC_RUNNING || state == VC_DRAINING) {
            give_output(rate, cycle, offset, frames, count);
            valid = content(rate, frames);
        } else { /* after an abort, what the resampler holds is not heard */
            vc_audio_silence(&cycle->output, offset, frames);
        }
    }
    rate->made += count;
    rate->rest = steps % rate->device_steps;
    return valid;
}

uint32_t vc_rate_run(vc_rate *rate, vc_engine *engine, const vc_cycle *cycle) {
    find_losses(rate, cycle);
    uint32_t valid = 0;
    for (uint32_t done = 0; done < cycle->frames;) {
        uint32_t frames = vc_smaller(cycle->frames - done, PART);
        uint32_t made = run_part(rate, engine, cycle, done, frames);
        valid = made ? done + made : valid;
        done += frames;
    }
    return valid;
}
