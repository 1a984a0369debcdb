/* Calls CoreAudio's IOProc as CoreAudio does, with several kinds of buffer lists (test_trap.py). */
#include "ioproc.h"

#include <pthread.h>
#include <string.h>

enum { FRAMES = 64, STREAMS = 3, MOST = 8 };

typedef struct buffer_list { /* an AudioBufferList with room for all streams */
    UInt32 mNumberBuffers;
    AudioBuffer mBuffers[STREAMS];
} buffer_list;
_Static_assert(offsetof(buffer_list, mBuffers) == offsetof(AudioBufferList, mBuffers),
               "as Apple's");

void vc_test_ioproc(AudioDeviceIOProc run, void *client_data, uint32_t cycles, void (*enter)(void),
                    void (*leave)(void));

unsigned long vc_test_ioproc_on_a_new_thread(AudioDeviceIOProc run, void *client_data,
                                             uint32_t cycles);

static float memory[2][STREAMS][FRAMES * MOST];

/* Makes the buffer list of a cycle. It has streams of 2, 2 and 8 channels. In some cycles it has
 * fewer frames, a stream that is off, or no buffers. */
static buffer_list list_of(int direction, uint32_t cycle) {
    static const UInt32 channels[STREAMS] = {2, 2, MOST};
    buffer_list list = {.mNumberBuffers = STREAMS};
    UInt32 frames = cycle % 5 == 4 ? FRAMES / 3 : FRAMES;
    for (int i = 0; i < STREAMS; i++) {
        list.mBuffers[i] = (AudioBuffer){channels[i], frames * channels[i] * (UInt32)sizeof(float),
                                         memory[direction][i]};
    }
    list.mBuffers[1].mData = cycle % 7 == 6 ? NULL : list.mBuffers[1].mData;
    list.mNumberBuffers = cycle % 11 == 10 ? 0 : STREAMS;
    return list;
}

void vc_test_ioproc(AudioDeviceIOProc run, void *client_data, uint32_t cycles, void (*enter)(void),
                    void (*leave)(void)) {
    for (uint32_t i = 0; i < cycles; i++) {
        buffer_list input = list_of(0, i), output = list_of(1, i);
        AudioTimeStamp now = {.mSampleTime = i * (double)FRAMES,
                              .mHostTime = 1 + i * 32000ull,
                              .mFlags = kAudioTimeStampSampleHostTimeValid};
        AudioTimeStamp before = now, after = now;
        before.mSampleTime -= FRAMES;
        after.mSampleTime += FRAMES;
        after.mFlags = i % 3 == 0 ? kAudioTimeStampSampleTimeValid : now.mFlags;
        enter();
        run(1, &now, (AudioBufferList *)&input, &before, (AudioBufferList *)&output, &after,
            client_data);
        leave();
    }
}

typedef struct task {
    AudioDeviceIOProc run;
    void *client_data;
    uint32_t cycles;
} task;

static void nothing(void) {}

static void *perform(void *argument) {
    task *one = argument;
    vc_test_ioproc(one->run, one->client_data, one->cycles, nothing, nothing);
    return NULL;
}

/* Runs cycles on a new thread. Returns the pthread_t of the thread after it has ended. */
unsigned long vc_test_ioproc_on_a_new_thread(AudioDeviceIOProc run, void *client_data,
                                             uint32_t cycles) {
    task one = {run, client_data, cycles};
    pthread_t thread;
    if (pthread_create(&thread, NULL, perform, &one) != 0) {
        return 0;
    }
    pthread_join(thread, NULL);
    return (unsigned long)thread;
}
