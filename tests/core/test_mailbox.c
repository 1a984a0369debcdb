/* A mailbox passes the latest value from one thread to another. */
#include "check.h"
#include "voicecoil.h"

#include <pthread.h>
#include <string.h>

typedef struct value {
    uint64_t words[17]; /* all words are equal; otherwise the value is torn */
} value;

static value value_of(uint64_t number) {
    value made;
    for (int i = 0; i < 17; i++) {
        made.words[i] = number;
    }
    return made;
}

static uint64_t number_of(const value *read) {
    for (int i = 1; i < 17; i++) {
        CHECK_INT(read->words[i], read->words[0]);
    }
    return read->words[0];
}

static void the_first_value_is_there_at_once(void) {
    value first = value_of(7);
    vc_mailbox *mailbox = vc_mailbox_new(sizeof first, &first);
    CHECK_INT(number_of(vc_mailbox_read(mailbox)), 7);
    CHECK_INT(number_of(vc_mailbox_read(mailbox)), 7);
    vc_mailbox_free(mailbox);
    mailbox = vc_mailbox_new(sizeof first, NULL);
    CHECK_INT(number_of(vc_mailbox_read(mailbox)), 0);
    vc_mailbox_free(mailbox);
    vc_mailbox_free(NULL);
}

static void the_newest_value_is_read_and_stays(void) {
    vc_mailbox *mailbox = vc_mailbox_new(sizeof(value), NULL);
    for (uint64_t i = 1; i < 100; i++) {
        const value *kept = vc_mailbox_read(mailbox);
        uint64_t before = number_of(kept);
        for (uint64_t k = 0; k < i % 4; k++) {
            value next = value_of(i * 10 + k);
            vc_mailbox_write(mailbox, &next);
        }
        CHECK_INT(number_of(kept), before);
        uint64_t newest = i % 4 ? i * 10 + i % 4 - 1 : before;
        CHECK_INT(number_of(vc_mailbox_read(mailbox)), newest);
        CHECK_INT((uintptr_t)vc_mailbox_read(mailbox) % 16, 0);
    }
    vc_mailbox_free(mailbox);
}

enum { WRITES = 200000 };

static void *write_many(void *user) {
    for (uint64_t i = 1; i <= WRITES; i++) {
        value next = value_of(i);
        vc_mailbox_write(user, &next);
    }
    return NULL;
}

static void values_are_never_torn_and_never_older(void) {
    vc_mailbox *mailbox = vc_mailbox_new(sizeof(value), NULL);
    pthread_t writer;
    pthread_create(&writer, NULL, write_many, mailbox);
    uint64_t last = 0;
    while (last < WRITES) {
        uint64_t now = number_of(vc_mailbox_read(mailbox));
        CHECK(now >= last);
        last = now;
    }
    pthread_join(writer, NULL);
    vc_mailbox_free(mailbox);
}

int main(void) {
    RUN(the_first_value_is_there_at_once);
    RUN(the_newest_value_is_read_and_stays);
    RUN(values_are_never_torn_and_never_older);
    return check_summary();
}
