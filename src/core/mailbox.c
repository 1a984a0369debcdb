/* The latest value from one thread to another: a triple buffer, wait-free on both sides.
 *
 * Invariant: there are three slots. The writer owns `back`, the reader owns `front`, and `middle`
 * names the third one. FRESH is set in `middle` until the reader has taken that slot. Each side
 * exchanges its own slot for the middle one in one atomic operation. So {back, middle, front} is
 * always a permutation of {0, 1, 2}, and no slot is written while it is read.
 *
 * Memory orders. An exchange releases the slot that its side gives away, and acquires the slot that
 * it gets, so it is acq_rel on both sides. The reader's load before it is relaxed, because it
 * decides only whether to exchange. tests/core/test_mailbox.c runs both sides under
 * ThreadSanitizer.
 */
#include "memory.h"
#include "voicecoil.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH = 4u, SLOT = 3u };

struct vc_mailbox {
    unsigned char *slots;
    size_t stride; /* bytes from one slot to the next */
    uint32_t bytes;
    unsigned char apart1[64]; /* puts the two sides into different cache lines */
    uint32_t back;            /* only for the writer */
    unsigned char apart2[64];
    _Atomic uint32_t middle;
    uint32_t front; /* only for the reader */
};

vc_mailbox *vc_mailbox_new(uint32_t bytes, const void *first) {
    vc_mailbox *mailbox = calloc(1, sizeof *mailbox);
    size_t stride = ((size_t)bytes + 63) / 64 * 64 + 64;
    unsigned char *slots = vc_memory_new(3, stride);
    if (mailbox == NULL || slots == NULL) {
        free(mailbox);
        vc_memory_free(slots);
        return NULL;
    }
    mailbox->slots = slots;
    mailbox->stride = stride;
    mailbox->bytes = bytes;
    mailbox->back = 0;
    mailbox->front = 1;
    atomic_init(&mailbox->middle, 2u);
    if (first != NULL) {
        memcpy(slots + stride, first, bytes);
    }
    return mailbox;
}

void vc_mailbox_free(vc_mailbox *mailbox) {
    if (mailbox != NULL) {
        vc_memory_free(mailbox->slots);
        free(mailbox);
    }
}

void vc_mailbox_write(vc_mailbox *mailbox, const void *value) {
    memcpy(mailbox->slots + mailbox->back * mailbox->stride, value, mailbox->bytes);
    uint32_t given =
        atomic_exchange_explicit(&mailbox->middle, mailbox->back | FRESH, memory_order_acq_rel);
    mailbox->back = given & SLOT;
}

const void *vc_mailbox_read(vc_mailbox *mailbox) {
    if (atomic_load_explicit(&mailbox->middle, memory_order_relaxed) & FRESH) {
        uint32_t given =
            atomic_exchange_explicit(&mailbox->middle, mailbox->front, memory_order_acq_rel);
        mailbox->front = given & SLOT;
    }
    return mailbox->slots + mailbox->front * mailbox->stride;
}
