/* workgroup.c: the os_workgroup of each device's IO thread. Checks that clients join and leave
 * correctly (P28). */
#include "world.h"

enum { INVALID = 22, ALREADY = 37 }; /* Darwin's EINVAL and EALREADY */
static const uint32_t token_mark = 0x5109u;

struct os_workgroup_s {
    uint32_t magic;
    int64_t internal, client; /* references of the HAL, and of the client */
    bool cancelled;
    device *device;
    void *arena;
    uint32_t arena_workers;
    void (*arena_destructor)(void *);
};
typedef struct os_workgroup_s workgroup;
static const uint32_t workgroup_magic = 0x30519u;

static struct token {
    uint32_t sig, mark;
    uint64_t thread;
    uint64_t group;
    int32_t depth;
} const no_token = {0};

void *workgroup_new(device *d) {
    workgroup *w = calloc(1, sizeof *w);
    w->magic = workgroup_magic;
    w->internal = 1;
    w->device = d;
    return w;
}

/* Makes later joins fail, because the device was removed or has another workgroup now. */
void workgroup_invalidate(void *group) {
    if (group != NULL) {
        ((workgroup *)group)->cancelled = true;
    }
}

static void free_unused(workgroup *w) {
    if (w->internal == 0 && w->client == 0) {
        if (w->arena_destructor != NULL) {
            w->arena_destructor(w->arena);
        }
        w->magic = 0;
        free(w);
    }
}

void workgroup_release_internal(void *group) {
    if (group != NULL) {
        ((workgroup *)group)->internal--;
        free_unused(group);
    }
}

/* The getter calls this while it holds the world's lock. The client calls this without the lock. */
EXPORT void *os_retain(void *object) {
    __atomic_add_fetch(&((workgroup *)object)->client, 1, __ATOMIC_SEQ_CST);
    COUNT(live_workgroups);
    return object;
}

EXPORT void os_release(void *object) {
    pthread_mutex_lock(&world.lock);
    workgroup *w = object;
    if (w->magic != workgroup_magic || w->client == 0) {
        report_fault(CN_fault_over_release, "os_release of %p, which the client does not hold",
                     object);
    } else {
        w->client--;
        UNCOUNT(live_workgroups);
        free_unused(w);
    }
    pthread_mutex_unlock(&world.lock);
}

EXPORT int os_workgroup_join(os_workgroup_t wg, os_workgroup_join_token_t token_out) {
    if (!enter(__func__)) {
        return INVALID;
    }
    sim_thread *self = thread_self();
    int error = 0;
    if (wg == NULL || token_out == NULL || wg->magic != workgroup_magic || wg->cancelled) {
        error = INVALID;
    } else if (self->workgroup_depth == 8) {
        error = INVALID;
    }
    for (int i = 0; error == 0 && i < self->workgroup_depth; i++) {
        error = self->workgroups[i] == wg ? ALREADY : 0;
    }
    if (error == 0) {
        struct token t = no_token;
        t.sig = token_mark;
        t.thread = (uint64_t)self->native_id;
        t.group = (uint64_t)(uintptr_t)wg;
        t.depth = self->workgroup_depth;
        memset(token_out, 0, sizeof *token_out);
        memcpy(token_out, &t, sizeof t);
        self->workgroups[self->workgroup_depth++] = wg;
        COUNT(live_workgroup_joins);
    }
    leave();
    return error;
}

EXPORT void os_workgroup_leave(os_workgroup_t wg, os_workgroup_join_token_t token) {
    if (!enter(__func__)) {
        return;
    }
    sim_thread *self = thread_self();
    struct token t;
    memcpy(&t, token, sizeof t);
    if (t.sig != token_mark || t.group != (uint64_t)(uintptr_t)wg) {
        report_fault(CN_fault_workgroup,
                     "os_workgroup_leave: not the token of this workgroup (the real "
                     "one aborts)");
    } else if (t.thread != (uint64_t)self->native_id) {
        report_fault(CN_fault_workgroup, "os_workgroup_leave on another thread than the join");
    } else if (t.depth != self->workgroup_depth - 1) {
        report_fault(CN_fault_workgroup, "os_workgroup_leave out of order");
    } else {
        self->workgroup_depth--;
        memset(token, 0, sizeof *token);
        UNCOUNT(live_workgroup_joins);
    }
    leave();
}

void workgroups_thread_exit(sim_thread *t) {
    if (t->workgroup_depth > 0) {
        report_fault(CN_fault_workgroup, "thread %ld ended without leaving %d workgroups",
                     t->native_id, t->workgroup_depth);
        count(CN_live_workgroup_joins, -t->workgroup_depth);
    }
}

EXPORT void os_workgroup_cancel(os_workgroup_t wg) { wg->cancelled = true; }
EXPORT _Bool os_workgroup_testcancel(os_workgroup_t wg) { return wg->cancelled; }
EXPORT int os_workgroup_max_parallel_threads(os_workgroup_t wg, os_workgroup_mpt_attr_t attr) {
    (void)wg, (void)attr;
    return 2;
}

EXPORT int os_workgroup_set_working_arena(os_workgroup_t wg, void *arena, uint32_t max_workers,
                                          void (*destructor)(void *)) {
    wg->arena = arena;
    wg->arena_workers = max_workers;
    wg->arena_destructor = destructor;
    return 0;
}
EXPORT void *os_workgroup_get_working_arena(os_workgroup_t wg, os_workgroup_index *index_out) {
    if (index_out != NULL) {
        *index_out = 0;
    }
    return wg->arena;
}

EXPORT os_workgroup_parallel_t os_workgroup_parallel_create(const char *name,
                                                            os_workgroup_attr_t attr) {
    (void)name, (void)attr;
    workgroup *w = workgroup_new(NULL);
    w->internal = 0;
    return os_retain(w);
}
EXPORT os_workgroup_t os_workgroup_create_with_workgroup(const char *name, os_workgroup_t wg) {
    (void)wg;
    return os_workgroup_parallel_create(name, NULL);
}
