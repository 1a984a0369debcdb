/* Which position of a sound is heard at a time.
 *
 * The IO thread writes the lines. Readers copy what they need and begin again if the IO thread has
 * changed a line meanwhile. This is a sequence lock: as in kept.h, fences order the relaxed words
 * against the count of changes. Sequentially consistent stores took 30 ns of the IO thread for each
 * voice and block, if the clock of the device jitters. */
#include "heard.h"

#include <math.h>

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define STORE(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

static void begin_change(vc_heard *heard) VC_REALTIME {
    STORE(heard->changes, LOAD(heard->changes) + 1);
    atomic_thread_fence(memory_order_release);
}

static void end_change(vc_heard *heard) VC_REALTIME {
    atomic_store_explicit(&heard->changes, LOAD(heard->changes) + 1, memory_order_release);
}

static double value_of(const vc_heard_line *line, int64_t at) VC_REALTIME {
    return LOAD(line->position) + (double)(at - LOAD(line->at)) * LOAD(line->rate);
}

void vc_heard_note(vc_heard *heard, int64_t at, double position, int64_t until, double end,
                   double tolerance) {
    uint64_t count = LOAD(heard->count);
    if (count > 0) {
        const vc_heard_line *last = &heard->line[(count - 1) % VC_HEARD_LINES];
        if (fabs(value_of(last, at) - position) <= tolerance &&
            fabs(value_of(last, until) - end) <= tolerance) {
            return;
        }
    }
    vc_heard_line *line = &heard->line[count % VC_HEARD_LINES];
    begin_change(heard);
    STORE(line->at, at);
    STORE(line->position, position);
    STORE(line->rate, (end - position) / (double)(until - at));
    STORE(heard->count, count + 1);
    end_change(heard);
}

void vc_heard_begin_clear(vc_heard *heard) { begin_change(heard); }

void vc_heard_end_clear(vc_heard *heard) {
    STORE(heard->count, 0);
    end_change(heard);
}

double vc_heard_at(const vc_heard *heard, int64_t at, double mixed, double otherwise) {
    uint64_t count = LOAD(heard->count);
    uint64_t kept = count < VC_HEARD_LINES ? count : VC_HEARD_LINES;
    double most = mixed;
    for (uint64_t i = 1; i <= kept; i++) {
        const vc_heard_line *line = &heard->line[(count - i) % VC_HEARD_LINES];
        bool is_oldest = i == kept && count > kept; /* the line before it was overwritten */
        if (at >= LOAD(line->at) || is_oldest) {
            return fmin(value_of(line, at), most);
        }
        most = LOAD(line->position); /* not beyond the end of the next older line */
    }
    return otherwise;
}

uint32_t vc_heard_begin_read(const vc_heard *heard) {
    return atomic_load_explicit(&heard->changes, memory_order_acquire);
}

bool vc_heard_end_read(const vc_heard *heard, uint32_t begun) {
    atomic_thread_fence(memory_order_acquire);
    return begun % 2 == 0 && begun == LOAD(heard->changes);
}
