/* A queue passes messages from one thread to another. */
#include "check.h"
#include "voicecoil.h"

#include <pthread.h>

typedef struct message {
    uint32_t number;
    unsigned char rest[19]; /* makes the size of a message odd */
} message;

static message made(uint32_t number) {
    message m = {.number = number};
    for (uint32_t i = 0; i < sizeof m.rest; i++) {
        m.rest[i] = (unsigned char)(number + i);
    }
    return m;
}

static bool is_whole(const message *m, uint32_t number) {
    bool good = m->number == number;
    for (uint32_t i = 0; i < sizeof m->rest; i++) {
        good &= m->rest[i] == (unsigned char)(number + i);
    }
    return good;
}

static void full_and_empty(void) {
    vc_queue *queue = vc_queue_new(5, sizeof(message)); /* the queue has room for 8 */
    message m;
    CHECK(!vc_queue_pop(queue, &m));
    for (uint32_t turn = 0; turn < 5; turn++) {
        for (uint32_t i = 0; i < 8; i++) {
            m = made(turn * 100 + i);
            CHECK(vc_queue_push(queue, &m));
        }
        CHECK(!vc_queue_push(queue, &m));
        for (uint32_t i = 0; i < 8; i++) {
            CHECK(vc_queue_pop(queue, &m));
            CHECK(is_whole(&m, turn * 100 + i));
        }
        CHECK(!vc_queue_pop(queue, &m));
    }
    vc_queue_free(queue);
    vc_queue_free(NULL);
}

static void one_message(void) {
    vc_queue *queue = vc_queue_new(0, sizeof(message));
    message m = made(1);
    CHECK(vc_queue_push(queue, &m));
    CHECK(!vc_queue_push(queue, &m));
    CHECK(vc_queue_pop(queue, &m));
    vc_queue_free(queue);
}

static void a_queue_that_is_too_large_is_not_made(void) {
    CHECK(vc_queue_new(UINT32_MAX, 8) == NULL);
}

enum { MESSAGES = 200000 };

static void *push(void *user) {
    for (uint32_t i = 0; i < MESSAGES;) {
        message m = made(i);
        i += vc_queue_push(user, &m);
    }
    return NULL;
}

static void two_threads(void) {
    vc_queue *queue = vc_queue_new(16, sizeof(message));
    pthread_t thread;
    pthread_create(&thread, NULL, push, queue);
    for (uint32_t i = 0; i < MESSAGES;) {
        message m;
        if (vc_queue_pop(queue, &m)) {
            CHECK(is_whole(&m, i));
            i++;
        }
    }
    pthread_join(thread, NULL);
    vc_queue_free(queue);
}

int main(void) {
    RUN(full_and_empty);
    RUN(one_message);
    RUN(a_queue_that_is_too_large_is_not_made);
    RUN(two_threads);
    return check_summary();
}
