/* Lets an engine continue with another run or with another device. The device's cycles are
 * translated, so that the user's code always sees the same time line and the same channels. */
#include "audio.h"
#include "engine.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

struct vc_moved {
    uint32_t channels[2]; /* channels of the device's cycles: input, output */
    uint32_t places[2];   /* number of entries of each map */
    uint32_t *map[2];
    vc_channel *list[2]; /* filled again in each cycle */
};

enum { INPUT = 0, OUTPUT = 1 };

/* ---- control ----------------------------------------------------------------------------------
 */

static void *take_part(char **memory, size_t bytes) {
    void *start = *memory;
    *memory += (bytes + 15) & ~(size_t)15;
    return start;
}

static int64_t scaled(int64_t frames, double scale) {
    return frames == VC_NO_FRAME || scale == 1.0 ? frames : llrint((double)frames * scale);
}

/* Makes what converts if the engine keeps its rate. Returns false if memory is exhausted. */
static bool make_rate(const vc_engine *engine, const vc_move *move, vc_rate **rate) {
    assert(move->device_hz == 0.0 || move->samplerate_hz == 0.0);
    if (move->device_hz == 0.0 || move->device_hz == engine->config.samplerate_hz) {
        return true;
    }
    const vc_rate_config config = {.input_channels = move->input_channels,
                                   .output_channels = move->output_channels,
                                   .device_hz = move->device_hz,
                                   .engine_hz = engine->config.samplerate_hz};
    *rate = vc_rate_new(&config);
    return *rate != NULL;
}

bool vc_engine_move(vc_engine *engine, const vc_move *move) {
    const uint32_t places[2] = {engine->config.input_channels,
                                move->output_places ? move->output_places
                                                    : engine->config.output_channels};
    assert(places[OUTPUT] == engine->config.output_channels || engine->config.output_channels == 1);
    size_t each = 64 + sizeof(uint32_t) + sizeof(vc_channel);
    char *memory = calloc(1, sizeof(vc_moved) + 16 + (places[INPUT] + places[OUTPUT] + 2) * each);
    vc_rate *rate = NULL;
    bool rate_is_made = make_rate(engine, move, &rate);
    if (memory == NULL || !rate_is_made) {
        free(memory);
        vc_rate_free(rate);
        return false;
    }
    vc_moved *moved = take_part(&memory, sizeof *moved);
    const uint32_t *maps[2] = {move->input_map, move->output_map};
    moved->channels[INPUT] = move->input_channels;
    moved->channels[OUTPUT] = move->output_channels;
    for (int d = INPUT; d <= OUTPUT; d++) {
        moved->places[d] = places[d];
        moved->list[d] = take_part(&memory, places[d] * sizeof(vc_channel));
        moved->map[d] = take_part(&memory, places[d] * sizeof(uint32_t));
        for (uint32_t c = 0; c < places[d]; c++) {
            moved->map[d][c] = maps[d][c];
            assert(maps[d][c] == VC_NO_CHANNEL || maps[d][c] < moved->channels[d]);
        }
    }
    free(engine->moved);
    engine->moved = moved;
    vc_rate_free(engine->rate);
    engine->rate = rate;
    engine->arriving = true;
    vc_engine_set_input(engine, NULL, NULL); /* the new device brings its input */

    vc_engine_config *config = &engine->config;
    if (move->samplerate_hz != 0.0 && move->samplerate_hz != config->samplerate_hz) {
        double scale = move->samplerate_hz / config->samplerate_hz;
        engine->arriving_scale *= scale;
        config->samplerate_hz = move->samplerate_hz;
        engine->ns_per_frame = 1e9 / move->samplerate_hz;
        engine->per_period_of = 0; /* the duration of a cycle is computed again */
        engine->next_output_frame = scaled(engine->next_output_frame, scale);
        engine->next_input_frame = scaled(engine->next_input_frame, scale);
    }
    if (move->process != NULL) {
        config->process = move->process;
        config->leave = move->leave;
        config->user = move->user;
    }
    if (config->block_frames == 0 && config->period_frames != 0 &&
        config->period_frames != move->period_frames) {
        config->block_frames = engine->max_block_frames; /* blocks keep their length */
    }
    config->period_frames = move->period_frames;
    config->clock_ns = move->clock_ns;
    config->clock = move->clock;
    return true;
}

/* ---- IO thread --------------------------------------------------------------------------------
 */

/* Computes by how many frames the stream's sample time is ahead of the device's. The stream's
 * sample time is the number of the frame that was due next, plus the host time since then in
 * frames. The device's earlier sample times are not used, because the device's counter may have
 * stopped, continued, jumped, or begun at zero meanwhile. Returns false if this direction has no
 * sample times. */
static bool find_shift(const vc_engine *engine, int64_t next, const vc_time *last,
                       const vc_time *first, int64_t *shift) {
    const uint32_t both = VC_TIME_HOST | VC_TIME_SAMPLE;
    if (next == VC_NO_FRAME || (first->valid & VC_TIME_SAMPLE) == 0) {
        return false;
    }
    int64_t gap = 0;
    if ((last->valid & first->valid) == both) {
        int64_t from = scaled(last->sample_frames, engine->arriving_scale);
        double ahead = (double)(next - from) * engine->ns_per_frame;
        double passed = (double)(first->host_ns - last->host_ns) - ahead;
        gap = passed > 0.0 ? llrint(passed / engine->ns_per_frame) : 0;
    }
    int64_t found = next + gap - first->sample_frames;
    *shift = found > *shift ? found : *shift;
    return true;
}

static void begin_time_line(vc_engine *engine, const vc_cycle *cycle) {
    engine->arriving = false;
    int64_t shift = INT64_MIN;
    bool found = false;
    if (cycle->output.channels) {
        found |= find_shift(engine, engine->next_output_frame, &engine->counted.last_output,
                            &cycle->output_time, &shift);
    }
    if (cycle->input.channels) {
        found |= find_shift(engine, engine->next_input_frame, &engine->counted.last_input,
                            &cycle->input_time, &shift);
    }
    if (found) {
        engine->shift_frames = shift;
    } /* otherwise shift_frames stays as it was */
    engine->arriving_scale = 1.0;
}

static void map_channels(vc_audio *audio, const vc_moved *moved, int d) {
    const uint32_t channels = moved->places[d];
    bool same = audio->channels == channels;
    for (uint32_t c = 0; c < channels && same; c++) {
        same = moved->map[d][c] == c;
    }
    if (same) {
        return;
    }
    for (uint32_t c = 0; c < channels; c++) {
        uint32_t from = moved->map[d][c];
        vc_channel *channel = &moved->list[d][c];
        *channel = from == VC_NO_CHANNEL ? (vc_channel){NULL, 0} : vc_channel_of(audio, from);
    }
    audio->data = NULL;
    audio->list = moved->list[d];
    audio->channels = channels;
}

void vc_translate(vc_engine *engine, const vc_cycle *cycle, vc_cycle *out) {
    if (engine->arriving) {
        begin_time_line(engine, cycle);
    }
    *out = *cycle;
    out->now.sample_frames += engine->shift_frames;
    out->input_time.sample_frames += engine->shift_frames;
    out->output_time.sample_frames += engine->shift_frames;
    const vc_moved *moved = engine->moved;
    if (moved != NULL) {
        assert(cycle->input.channels == moved->channels[INPUT]);
        assert(cycle->output.channels == moved->channels[OUTPUT]);
        map_channels(&out->input, moved, INPUT);
        map_channels(&out->output, moved, OUTPUT);
    }
}

void vc_fill(vc_engine *engine, const vc_cycle *cycle, vc_cycle *out) {
    const vc_engine_config *config = &engine->config;
    *out = *cycle;
    if (out->called_ns == 0) { /* the time of filling counts for the load */
        out->called_ns = config->clock_ns ? config->clock_ns(config->clock) : vc_clock_ns();
    }
    engine->fill(engine->fill_argument, out);
}
