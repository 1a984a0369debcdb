# The os_workgroup of a device's IO thread: a part of _hal.pyx. See workgroup.h.

cdef extern from "thread.h" nogil:
    ctypedef struct vc_thread_group:
        pass

cdef extern from "workgroup.h" nogil:
    ctypedef struct vc_workgroup:
        vc_thread_group base

    ctypedef void (*os_release_fn)(void *) noexcept
    void vc_workgroup_init(vc_workgroup *workgroup, void *group, void *join, void *leave)
    int32_t vc_workgroup_join(vc_thread_group *base)
    void vc_workgroup_leave(vc_thread_group *base)


cdef class Workgroup:
    """A membership in a workgroup, for one thread at a time. `close` releases the workgroup.

    Parameters
    ----------
    library : Library
    group : int
        The os_workgroup_t, which belongs to this object from now on.
    """

    cdef vc_workgroup workgroup
    cdef uintptr_t group
    cdef os_release_fn release
    cdef Library library

    def __cinit__(self, Library library not None, uintptr_t group):
        self.library = library
        self.release = <os_release_fn>library.find("os_release")
        self.group = group
        vc_workgroup_init(&self.workgroup, <void *>group, library.find("os_workgroup_join"),
                          library.find("os_workgroup_leave"))

    def __dealloc__(self):
        if self.group != 0:
            self.release(<void *>self.group)

    @cython.critical_section
    def close(self):
        """Releases the workgroup, which no thread is in or joins any more.

        A second call does nothing. A free-threaded Python may delete an object long after its last
        use: it waits until the thread that made the object runs Python code again.
        """
        cdef uintptr_t group = self.group
        self.group = 0
        if group != 0:
            self.release(<void *>group)

    @property
    def address(self):
        """The address of the vc_thread_group."""
        return <uintptr_t>&self.workgroup.base

    def join(self):
        """Lets the calling thread join. Returns 0, or an errno of Darwin."""
        return vc_workgroup_join(&self.workgroup.base)

    def leave(self):
        """Lets the calling thread leave, which has joined with this object."""
        vc_workgroup_leave(&self.workgroup.base)
