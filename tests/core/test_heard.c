/* What is heard at a time, while the IO thread changes it. */
#include "check.h"
#include "clip.h"
#include "heard.h"
#include "voice.h"

/* In each test the IO thread was interrupted in the middle of a change. A reader with a higher
 * priority on the same processor must not wait for it. Before the fix it waited for ever. */

static void lines(void) {
    vc_heard heard = {0};
    vc_heard_note(&heard, 0, 100.0, 10, 110.0, 1e-3);
    CHECK(vc_heard_end_read(&heard, vc_heard_begin_read(&heard)));
    CHECK_NEAR(vc_heard_at(&heard, 5, 110.0, 0.0), 105.0, 0);
    vc_heard_begin_clear(&heard);
    CHECK(!vc_heard_end_read(&heard, vc_heard_begin_read(&heard)));
    CHECK_NEAR(vc_heard_at(&heard, 5, 110.0, 0.0), 105.0, 0);
    vc_heard_end_clear(&heard);
    CHECK(vc_heard_end_read(&heard, vc_heard_begin_read(&heard)));
    CHECK_NEAR(vc_heard_at(&heard, 5, 110.0, 7.0), 7.0, 0);
}

static void a_jump_of_a_clip(void) {
    static const float data[64];
    vc_clip *clip = vc_clip_from_memory(data, 64, 1, 1, 0, 1.0f);
    uint32_t moves = 0;
    vc_heard_note(&clip->heard, 0, 0.0, 64, 64.0, 1e-3);
    atomic_store(&clip->position, 64);
    vc_heard_begin_clear(&clip->heard);
    CHECK_INT(vc_clip_heard(clip, 20, &moves), 20);
    CHECK_INT(moves, 0);
    vc_clip_free(clip);
}

static void a_jump_of_a_voice(void) {
    static const float data[64];
    const vc_voice_config config = {
        .data = data, .frames = 64, .channels = 1, .loop_end = 64, .loops = 1, .rate = 1.0};
    vc_voice *voice = vc_voice_new(&config);
    vc_heard_note(&voice->heard, 0, 0.0, 64, 64.0, 0.5);
    atomic_store(&voice->reached, 64.0);
    vc_heard_begin_clear(&voice->heard);
    CHECK_INT(vc_voice_heard(voice, 20), 20);
    vc_voice_free(voice);
}

int main(void) {
    RUN(lines);
    RUN(a_jump_of_a_clip);
    RUN(a_jump_of_a_voice);
    return check_summary();
}
