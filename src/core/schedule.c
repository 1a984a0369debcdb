/* The schedule: voices that wait for their time, in a binary heap. A voice that is added in the
 * order of time costs one comparison. All other changes cost log2 of the voices. */
#include "voice.h"

static void put(vc_schedule *schedule, uint32_t place, vc_due due) {
    schedule->due[place] = due;
    due.voice->place = place;
}

static void rise(vc_schedule *schedule, uint32_t place, vc_due due) {
    while (place > 0 && schedule->due[(place - 1) / 2].at > due.at) {
        put(schedule, place, schedule->due[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(schedule, place, due);
}

static void sink(vc_schedule *schedule, uint32_t place, vc_due due) {
    for (;;) {
        uint32_t next = 2 * place + 1;
        if (next + 1 < schedule->count && schedule->due[next + 1].at < schedule->due[next].at) {
            next++;
        }
        if (next >= schedule->count || schedule->due[next].at >= due.at) {
            break;
        }
        put(schedule, place, schedule->due[next]);
        place = next;
    }
    put(schedule, place, due);
}

void vc_schedule_add(vc_schedule *schedule, vc_voice *voice) {
    voice->scheduled = true;
    rise(schedule, schedule->count++, (vc_due){voice->at, voice});
}

void vc_schedule_remove(vc_schedule *schedule, vc_voice *voice) {
    uint32_t place = voice->place;
    vc_due last = schedule->due[--schedule->count];
    voice->scheduled = false;
    if (place == schedule->count) {
        return;
    }
    if (place > 0 && schedule->due[(place - 1) / 2].at > last.at) {
        rise(schedule, place, last);
    } else {
        sink(schedule, place, last);
    }
}

vc_voice *vc_schedule_take(vc_schedule *schedule, int64_t before) {
    if (schedule->count == 0 || schedule->due[0].at >= before) {
        return NULL;
    }
    vc_voice *voice = schedule->due[0].voice;
    vc_schedule_remove(schedule, voice);
    return voice;
}
