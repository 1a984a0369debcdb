/* A preloaded library that counts the threads of a process. See callbacks/test_isolated.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

static atomic_int started;

int vc_test_threads_started(void);

int vc_test_threads_started(void) { return atomic_load(&started); }

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
                   void *argument) {
    create_fn create = (create_fn)dlsym(RTLD_NEXT, "pthread_create");
    atomic_fetch_add(&started, 1);
    return create(thread, attributes, function, argument);
}
