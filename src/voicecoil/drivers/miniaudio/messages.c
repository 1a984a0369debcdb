/* The messages of the sound servers' client libraries. See messages.h. */
#include "messages.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

static struct {
    _Atomic uint64_t filled; /* ticket of the producer that filled the slot, + 1 */
    char text[VC_MESSAGE_BYTES];
} slots[VC_MESSAGES];
static _Atomic uint64_t claimed; /* slots that are filled or being filled */
static _Atomic uint64_t tickets; /* number of tickets that producers have drawn */
static uint64_t head;            /* only for the consumer */

/* Keeps a message. A producer claims room before it draws a ticket, so that the slot of its ticket
 * is free. If there is no room, the new message is dropped, because the oldest messages tell the
 * cause. */
static void keep(const char *format, va_list arguments) {
    if (atomic_fetch_add(&claimed, 1) >= VC_MESSAGES) {
        atomic_fetch_sub(&claimed, 1);
        return;
    }
    uint64_t ticket = atomic_fetch_add(&tickets, 1);
    vsnprintf(slots[ticket % VC_MESSAGES].text, VC_MESSAGE_BYTES, format, arguments);
    atomic_store_explicit(&slots[ticket % VC_MESSAGES].filled, ticket + 1, memory_order_release);
}

static void keep_text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    keep(format, arguments);
    va_end(arguments);
}

void vc_message_jack(const char *text) { keep_text("%s", text); }

void vc_message_alsa(const char *file, int line, const char *function, int error,
                     const char *format, ...) {
    (void)file, (void)line, (void)function, (void)error;
    va_list arguments;
    va_start(arguments, format);
    keep(format, arguments);
    va_end(arguments);
}

bool vc_message_take(char text[VC_MESSAGE_BYTES]) {
    uint64_t at = head % VC_MESSAGES;
    if (atomic_load_explicit(&slots[at].filled, memory_order_acquire) != head + 1) {
        return false;
    }
    snprintf(text, VC_MESSAGE_BYTES, "%s", slots[at].text);
    head++;
    atomic_fetch_sub(&claimed, 1);
    return true;
}
