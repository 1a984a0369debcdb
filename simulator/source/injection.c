/* injection.c: replies and errors that a test injects in order to fuzz a client. */
#include "world.h"

#include <stdatomic.h>

struct override {
    struct override *next;
    AudioObjectID id;
    AudioObjectPropertyAddress address;
    OSStatus error;
    UInt32 said, size; /* result of the size query, and real size */
    unsigned char bytes[];
};

typedef struct failure {
    struct failure *next;
    char call[48];
    OSStatus error;
    uint32_t skip, times;
} failure;

static override *overrides;
static failure *failures;
static _Atomic bool any_failure; /* false: calls skip the search, which takes a lock */
static pthread_mutex_t failures_lock = PTHREAD_MUTEX_INITIALIZER;

EXPORT int sim_override_property(uint32_t object, uint32_t selector, uint32_t scope,
                                 uint32_t element, int32_t status, uint32_t said_size,
                                 const void *bytes, uint32_t size) {
    override *o = calloc(1, sizeof *o + size + 1);
    o->id = object;
    o->address = (AudioObjectPropertyAddress){selector, scope, element};
    o->error = status;
    o->said = said_size;
    o->size = size;
    if (size > 0) {
        memcpy(o->bytes, bytes, size);
    }
    pthread_mutex_lock(&world.lock);
    o->next = overrides;
    overrides = o;
    pthread_mutex_unlock(&world.lock);
    return 0;
}

const override *override_find(AudioObjectID id, const AudioObjectPropertyAddress *a) {
    const override *o = a == NULL ? NULL : overrides;
    while (o != NULL && (o->id != id || memcmp(&o->address, a, sizeof *a) != 0)) {
        o = o->next;
    }
    return o;
}

/* Writes no more than the caller has room for, like the real HAL. */
OSStatus override_reply(const override *o, UInt32 *size, void *data) {
    if (data == NULL) {
        *size = o->said;
        return o->error;
    }
    if (o->error == 0) {
        *size = o->size < *size ? o->size : *size;
        memcpy(data, o->bytes, *size);
    }
    return o->error;
}

EXPORT int sim_fail_call(const char *function, int32_t status, uint32_t skip, uint32_t times) {
    if (times == 0) {
        pthread_mutex_lock(&failures_lock);
        for (failure *f = failures; f != NULL; f = f->next) {
            f->times = strcmp(f->call, function) == 0 ? 0 : f->times;
        }
        pthread_mutex_unlock(&failures_lock);
        return 0;
    }
    failure *f = calloc(1, sizeof *f);
    snprintf(f->call, sizeof f->call, "%s", function);
    f->error = status;
    f->skip = skip;
    f->times = times;
    pthread_mutex_lock(&failures_lock);
    f->next = failures;
    failures = f;
    any_failure = true;
    pthread_mutex_unlock(&failures_lock);
    return 0;
}

bool injected_error(const char *call, OSStatus *error) {
    if (!any_failure) {
        return false;
    }
    bool found = false;
    pthread_mutex_lock(&failures_lock);
    for (failure *f = failures; f != NULL && !found; f = f->next) {
        if (f->times == 0 || strcmp(f->call, call) != 0) {
            continue;
        }
        if (f->skip > 0) {
            f->skip--;
        } else {
            f->times -= f->times != UINT32_MAX;
            *error = f->error;
            found = true;
        }
    }
    pthread_mutex_unlock(&failures_lock);
    return found;
}

void injection_reset_locked(void) {
    for (override *o = overrides, *next; o != NULL; o = next) {
        next = o->next;
        free(o);
    }
    overrides = NULL;
    pthread_mutex_lock(&failures_lock);
    for (failure *f = failures, *next; f != NULL; f = next) {
        next = f->next;
        free(f);
    }
    failures = NULL;
    any_failure = false;
    pthread_mutex_unlock(&failures_lock);
}
