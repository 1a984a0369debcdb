/* workgroup.h - the membership of one thread in the os_workgroup of a device's IO thread.
 *
 * The system then knows that the thread works for the same deadline as the IO thread. A thread
 * leaves on its own, in the reverse order of its joins, and before it ends: the system aborts the
 * process otherwise. So each membership belongs to one thread at a time. */
#ifndef VOICECOIL_COREAUDIO_WORKGROUP_H
#define VOICECOIL_COREAUDIO_WORKGROUP_H

#include "coreaudio_abi.h"
#include "thread.h"

typedef struct vc_workgroup {
    vc_thread_group base; /* first, because the functions below get its address */
    os_workgroup_t group; /* retained by the owner of this structure */
    os_workgroup_join_fn join;
    os_workgroup_leave_fn leave;
    struct os_workgroup_join_token_opaque_s token;
} vc_workgroup;

/* Returns 0, or an errno of Darwin: EALREADY, or EINVAL if the device has gone. [own] */
static inline int32_t vc_workgroup_join(vc_thread_group *base) {
    vc_workgroup *workgroup = (vc_workgroup *)base;
    return workgroup->join(workgroup->group, &workgroup->token);
}

static inline void vc_workgroup_leave(vc_thread_group *base) {
    vc_workgroup *workgroup = (vc_workgroup *)base;
    workgroup->leave(workgroup->group, &workgroup->token);
}

static inline void vc_workgroup_init(vc_workgroup *workgroup, void *group, void *join,
                                     void *leave) {
    workgroup->base = (vc_thread_group){vc_workgroup_join, vc_workgroup_leave};
    workgroup->group = (os_workgroup_t)group;
    workgroup->join = (os_workgroup_join_fn)join;
    workgroup->leave = (os_workgroup_leave_fn)leave;
}

#endif
