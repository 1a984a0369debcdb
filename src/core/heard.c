/* Which position of a sound is heard at a time.
 *
 * The IO thread writes the lines. Readers copy what they need and begin again if the IO thread has
 * changed a line meanwhile. */
#include "heard.h"

#include <math.h>

static double value_of(const vc_heard_line *line, int64_t at) VC_REALTIME {
    return atomic_load(&line->position) +
           (double)(at - atomic_load(&line->at)) * atomic_load(&line->rate);
}

void vc_heard_note(vc_heard *heard, int64_t at, double position, int64_t until, double end,
                   double tolerance) {
    uint64_t count = atomic_load_explicit(&heard->count, memory_order_relaxed);
    if (count > 0) {
        const vc_heard_line *last = &heard->line[(count - 1) % VC_HEARD_LINES];
        if (fabs(value_of(last, at) - position) <= tolerance &&
            fabs(value_of(last, until) - end) <= tolerance) {
            return;
        }
    }
    vc_heard_line *line = &heard->line[count % VC_HEARD_LINES];
    atomic_fetch_add(&heard->changes, 1);
    atomic_store(&line->at, at);
    atomic_store(&line->position, position);
    atomic_store(&line->rate, (end - position) / (double)(until - at));
    atomic_store(&heard->count, count + 1);
    atomic_fetch_add(&heard->changes, 1);
}

void vc_heard_clear(vc_heard *heard) {
    atomic_fetch_add(&heard->changes, 1);
    atomic_store(&heard->count, 0);
    atomic_fetch_add(&heard->changes, 1);
}

static double heard_at(const vc_heard *heard, int64_t at, double mixed,
                       double otherwise) VC_REALTIME {
    uint64_t count = atomic_load(&heard->count);
    uint64_t kept = count < VC_HEARD_LINES ? count : VC_HEARD_LINES;
    double most = mixed;
    for (uint64_t i = 1; i <= kept; i++) {
        const vc_heard_line *line = &heard->line[(count - i) % VC_HEARD_LINES];
        bool is_oldest = i == kept && count > kept; /* the line before it was overwritten */
        if (at >= atomic_load(&line->at) || is_oldest) {
            return fmin(value_of(line, at), most);
        }
        most = atomic_load(&line->position); /* not beyond the end of the next older line */
    }
    return otherwise;
}

double vc_heard_at(const vc_heard *heard, int64_t at, double mixed, double otherwise) {
    uint32_t changes;
    double position;
    do {
        changes = atomic_load(&heard->changes);
        position = heard_at(heard, at, mixed, otherwise);
    } while (changes % 2 == 1 || changes != atomic_load(&heard->changes));
    return position;
}
