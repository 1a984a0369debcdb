/* mach_time.c: the functions of Mach and CoreAudio for host time. IOProcs may call them. */
#include "world.h"

EXPORT uint64_t mach_absolute_time(void) { return sim_ticks_from_ns(now_locked()); }
EXPORT uint64_t mach_approximate_time(void) { return mach_absolute_time(); }
EXPORT uint64_t mach_continuous_time(void) { return mach_absolute_time(); }

EXPORT kern_return_t mach_timebase_info(struct mach_timebase_info *info) {
    info->numer = world.timebase_numer;
    info->denom = world.timebase_denom;
    return KERN_SUCCESS;
}

EXPORT kern_return_t mach_wait_until(uint64_t deadline) {
    if (!enter(__func__)) {
        return 5; /* KERN_FAILURE */
    }
    uint64_t due = ns_from_ticks(deadline), now = now_locked();
    sim_thread *self = thread_self();
    if (self->in_callback && world.is_virtual) { /* the callback spends the time of the wait */
        self->spent_ns += due > now ? due - now : 0;
    } else {
        block_until_locked(due, NULL);
    }
    leave();
    return KERN_SUCCESS;
}

EXPORT UInt64 AudioGetCurrentHostTime(void) { return mach_absolute_time(); }
EXPORT Float64 AudioGetHostClockFrequency(void) {
    return 1e9 * world.timebase_denom / world.timebase_numer;
}
EXPORT UInt32 AudioGetHostClockMinimumTimeDelta(void) { return 1; }
EXPORT UInt64 AudioConvertHostTimeToNanos(UInt64 inHostTime) { return ns_from_ticks(inHostTime); }
EXPORT UInt64 AudioConvertNanosToHostTime(UInt64 inNanos) { return sim_ticks_from_ns(inNanos); }

EXPORT int sim_set_timebase(uint32_t numerator, uint32_t denominator) {
    if (numerator == 0 || denominator == 0) {
        report_line("sim_set_timebase: %u/%u", numerator, denominator);
        return -1;
    }
    world.timebase_numer = numerator;
    world.timebase_denom = denominator;
    return 0;
}
