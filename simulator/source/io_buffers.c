/* io_buffers.c: the buffers that an IOProc gets. Each call gets buffers at other addresses. Output
 * buffers are zero before the call, input buffers are poisoned after the call, and writes outside
 * the buffers are found. */
#include "world.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 4, GUARD = 64 };
static const unsigned char guard_byte = 0xa5;
static const float poison = -987654.0f; /* very loud, and not an encoded sample */

typedef struct slot {
    unsigned char *memory; /* with guard words: memory of all buffers of a call */
    size_t room;
    unsigned char *pages[2][MAX_STREAMS]; /* with guard pages: a mapping for each buffer */
    size_t page_bytes[2][MAX_STREAMS];
    AudioBufferList *lists[2];
} slot;

struct io_arena {
    slot slots[SLOTS];
    uint64_t turn;
};

static size_t list_size(size_t streams) {
    return offsetof(AudioBufferList, mBuffers) + (streams ? streams : 1) * sizeof(AudioBuffer);
}

static size_t buffer_bytes(const run *r, int direction, size_t i, UInt32 frames) {
    return (size_t)frames * r->channels[direction][i] * r->samples[direction][i].bytes;
}

/* Returns memory for a buffer that ends directly before an inaccessible page. */
static unsigned char *guarded(slot *s, int direction, size_t i, size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t need = (bytes + page - 1) / page * page;
    if (s->page_bytes[direction][i] != need) {
        if (s->pages[direction][i] != NULL) {
            munmap(s->pages[direction][i], s->page_bytes[direction][i] + page);
        }
        void *m = mmap(NULL, need + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED) {
            abort();
        }
        s->pages[direction][i] = m;
        s->page_bytes[direction][i] = need;
    }
    mprotect(s->pages[direction][i], need, PROT_READ | PROT_WRITE);
    return s->pages[direction][i] + (need - bytes) / 16 * 16;
}

/* Places the buffers one after the other, with a guard before and after each. Returns false if
 * memory is exhausted. */
static bool packed(run *r, slot *s, UInt32 frames, unsigned char *data[2][MAX_STREAMS]) {
    size_t total = 4096;
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < r->stream_count[direction]; i++) {
            total += buffer_bytes(r, direction, i, frames) + 2 * GUARD + 64;
        }
    }
    if (s->room < total) {
        free(s->memory);
        s->memory = malloc(total);
        s->room = s->memory ? total : 0;
        if (s->memory == NULL) {
            return false;
        }
    }
    unsigned char *at = s->memory + r->arena->turn % 16 * 64;
    for (int direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < r->stream_count[direction]; i++) {
            size_t bytes = buffer_bytes(r, direction, i, frames);
            memset(at, guard_byte, GUARD);
            data[direction][i] = at + GUARD;
            memset(at + GUARD + bytes, guard_byte, GUARD);
            at += (bytes + 2 * GUARD + 63) / 64 * 64;
        }
    }
    return true;
}

/* What a stream records. A sub-device records what was set for itself, unless something was set for
 * the aggregate. */
static enum sim_input what_is_recorded(const run *r, size_t i) {
    const device *d = r->device, *from = r->input[i].from;
    return from != NULL && d->input == SIM_INPUT_ENCODED ? from->input : d->input;
}
/* Writes the input of a stream into an IOProc's buffer. */
static void encode(const run *r, size_t i, UInt32 frames, unsigned char *data) {
    const sample_format *f = &r->samples[INPUT][i];
    size_t n = (size_t)frames * r->channels[INPUT][i];
    if (f->is_float) {
        memcpy(data, r->source[i], n * sizeof(float));
        return;
    }
    for (size_t k = 0; k < n; k++) {
        sample_write(f, r->source[i][k], r->input[i].is_code, data + k * f->bytes);
    }
}

static bool was_written(const run *r, size_t i, UInt32 frames, const unsigned char *data) {
    const sample_format *f = &r->samples[INPUT][i];
    size_t n = (size_t)frames * r->channels[INPUT][i];
    if (f->is_float) {
        return memcmp(data, r->source[i], n * sizeof(float)) != 0;
    }
    for (size_t k = 0; k < n; k++) {
        unsigned char wanted[4] = {0};
        sample_write(f, r->source[i][k], r->input[i].is_code, wanted);
        if (memcmp(data + k * f->bytes, wanted, f->bytes) != 0) {
            return true;
        }
    }
    return false;
}

bool io_buffers_prepare(run *r, const io_proc *p, UInt32 frames, io_call *call) {
    if (r->arena == NULL) {
        r->arena = calloc(1, sizeof *r->arena);
        for (int i = 0; i < SLOTS; i++) {
            for (int direction = 0; direction < 2; direction++) {
                r->arena->slots[i].lists[direction] =
                    calloc(1, list_size(r->stream_count[direction]));
            }
        }
    }
    slot *s = &r->arena->slots[++r->arena->turn % SLOTS];
    bool pages = SWITCH(guard_pages) == 1;
    unsigned char *data[2][MAX_STREAMS];
    if (!pages && !packed(r, s, frames, data)) {
        return false;
    }
    for (int direction = 0; direction < 2; direction++) {
        AudioBufferList *list = s->lists[direction];
        list->mNumberBuffers = (UInt32)r->stream_count[direction];
        for (size_t i = 0; i < r->stream_count[direction]; i++) {
            size_t bytes = buffer_bytes(r, direction, i, frames);
            AudioBuffer *b = &list->mBuffers[i];
            b->mNumberChannels = r->channels[direction][i];
            b->mDataByteSize = (UInt32)bytes;
            b->mData = NULL;
            if (!p->usage[direction][i]) {
                continue;
            }
            b->mData = pages ? guarded(s, direction, i, bytes) : data[direction][i];
            if (direction == INPUT) {
                encode(r, i, frames, b->mData);
                if (pages) {
                    mprotect(s->pages[INPUT][i], s->page_bytes[INPUT][i], PROT_READ);
                }
            } else {
                memset(b->mData, 0, bytes);
            }
        }
    }
    bool null_lists = SWITCH(empty_list) == 1;
    call->input = r->stream_count[INPUT] == 0 && null_lists ? NULL : s->lists[INPUT];
    call->output = r->stream_count[OUTPUT] == 0 && null_lists ? NULL : s->lists[OUTPUT];
    return true;
}

static bool guard_is_whole(const unsigned char *guard) {
    for (int i = 0; i < GUARD; i++) {
        if (guard[i] != guard_byte) {
            return false;
        }
    }
    return true;
}

static void check_list(const run *r, int direction, const io_proc *p, UInt32 frames,
                       const AudioBufferList *list) {
    bool same = list->mNumberBuffers == r->stream_count[direction];
    for (size_t i = 0; i < r->stream_count[direction]; i++) {
        const AudioBuffer *b = &list->mBuffers[i];
        same = same && b->mDataByteSize == buffer_bytes(r, direction, i, frames) &&
               b->mNumberChannels == r->channels[direction][i] &&
               (b->mData != NULL) == p->usage[direction][i];
    }
    if (!same) {
        report_fault(CN_fault_buffer_list_changed, "the IOProc changed the %s buffer list",
                     direction == INPUT ? "input" : "output");
    }
}

void io_buffers_finish(run *r, const io_proc *p, UInt32 frames, io_call *call, bool keep) {
    slot *s = &r->arena->slots[r->arena->turn % SLOTS];
    bool pages = SWITCH(guard_pages) == 1;
    (void)call;
    for (int direction = 0; direction < 2; direction++) {
        check_list(r, direction, p, frames, s->lists[direction]);
        for (size_t i = 0; i < r->stream_count[direction]; i++) {
            unsigned char *data = s->lists[direction]->mBuffers[i].mData;
            size_t bytes = buffer_bytes(r, direction, i, frames);
            if (data == NULL || !p->usage[direction][i]) {
                continue;
            }
            if (!pages && (!guard_is_whole(data - GUARD) || !guard_is_whole(data + bytes))) {
                report_fault(CN_fault_buffer_overrun, "the IOProc wrote outside of %s stream %zu",
                             direction == INPUT ? "input" : "output", i);
            }
            if (direction == INPUT && was_written(r, i, frames, data)) {
                report_fault(CN_fault_input_written, "the IOProc wrote into input stream %zu", i);
            }
            const sample_format *f = &r->samples[direction][i];
            size_t n = bytes / f->bytes;
            for (size_t k = 0; keep && direction == OUTPUT && k < n; k++) {
                r->mix[i][k] += sample_read(f, data + k * f->bytes);
            }
            if (pages) {
                mprotect(s->pages[direction][i], s->page_bytes[direction][i], PROT_NONE);
            } else {
                for (size_t k = 0; k + sizeof poison <= bytes; k += sizeof poison) {
                    memcpy(data + k, &poison, sizeof poison);
                }
            }
        }
    }
}

static float input_sample(const run *r, UInt32 i, UInt32 channel, double sample_time) {
    const device *d = r->device;
    if (d->process_mute || world.input_mute || r->silent) {
        return 0;
    }
    if (r->input[i].tap != NULL) {
        return r->input[i].deaf
                   ? 0
                   : tap_sample_locked(r, r->input[i].tap, channel, sample_time, r->input[i].slip);
    }
    if (world.consent != SIM_GRANTED) {
        return 0;
    }
    switch (what_is_recorded(r, i)) {
    case SIM_INPUT_ENCODED:
        return sim_encode(r->input[i].serial, r->input[i].index, channel,
                          (int64_t)floor(sample_time + sample_time * r->input[i].slip));
    case SIM_INPUT_SILENCE:
        return 0;
    case SIM_INPUT_SINE:
        return 0.5f * (float)sin(sample_time * 6.283185307179586 * 1000 / r->rate);
    case SIM_INPUT_LOOPBACK:
        return capture_sample(r, i, channel,
                              sample_time - (double)r->latency[INPUT][i] -
                                  (double)r->latency[OUTPUT][i < r->stream_count[OUTPUT] ? i : 0]);
    }
    return 0;
}

void io_buffers_fill_input(run *r, double sample_time, UInt32 frames) {
    if (r->mix_room < frames) {
        for (size_t i = 0; i < MAX_STREAMS; i++) {
            free(r->mix[i]);
            free(r->source[i]);
            r->mix[i] = calloc((size_t)frames * r->channels[OUTPUT][i] + 1, sizeof(float));
            r->source[i] = calloc((size_t)frames * r->channels[INPUT][i] + 1, sizeof(float));
        }
        r->mix_room = frames;
    }
    for (UInt32 i = 0; i < r->stream_count[OUTPUT]; i++) {
        memset(r->mix[i], 0, (size_t)frames * r->channels[OUTPUT][i] * sizeof(float));
    }
    for (UInt32 i = 0; i < r->stream_count[INPUT]; i++) {
        UInt32 channels = r->channels[INPUT][i];
        r->input[i].is_code =
            r->input[i].tap == NULL && what_is_recorded(r, i) == SIM_INPUT_ENCODED;
        for (UInt32 f = 0; f < frames; f++) {
            for (UInt32 c = 0; c < channels; c++) {
                r->source[i][f * channels + c] = input_sample(r, i, c, sample_time + f);
            }
        }
    }
}

void io_buffers_free(run *r) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int n = 0; n < SLOTS && r->arena != NULL; n++) {
        slot *s = &r->arena->slots[n];
        for (int direction = 0; direction < 2; direction++) {
            for (size_t i = 0; i < MAX_STREAMS; i++) {
                if (s->pages[direction][i] != NULL) {
                    munmap(s->pages[direction][i], s->page_bytes[direction][i] + page);
                }
            }
            free(s->lists[direction]);
        }
        free(s->memory);
    }
    free(r->arena);
    for (size_t i = 0; i < MAX_STREAMS; i++) {
        free(r->mix[i]);
        free(r->source[i]);
    }
}
