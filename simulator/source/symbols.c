/* symbols.c: the exported symbols, and the first macOS that has each of them. */
#include "world.h"
#include "coreaudio_symbols.h"

#include <dlfcn.h>

#define OBJC_SYMBOLS(X)                                                                            \
    X(objc_getClass, 1000)                                                                         \
    X(objc_lookUpClass, 1000)                                                                      \
    X(objc_getMetaClass, 1000)                                                                     \
    X(objc_msgSend, 1000)                                                                          \
    X(objc_retain, 1000)                                                                           \
    X(objc_release, 1000)                                                                          \
    X(objc_autorelease, 1000)                                                                      \
    X(objc_retainAutorelease, 1000)                                                                \
    X(objc_autoreleasePoolPush, 1000)                                                              \
    X(objc_autoreleasePoolPop, 1000)                                                               \
    X(objc_alloc, 1000)                                                                            \
    X(objc_alloc_init, 1000)                                                                       \
    X(objc_opt_new, 1000)                                                                          \
    X(sel_registerName, 1000)                                                                      \
    X(sel_getUid, 1000)                                                                            \
    X(sel_getName, 1000)                                                                           \
    X(sel_isEqual, 1000)                                                                           \
    X(object_getClass, 1000)                                                                       \
    X(object_getClassName, 1000)                                                                   \
    X(class_getName, 1000)                                                                         \
    X(class_getSuperclass, 1000)                                                                   \
    X(class_isMetaClass, 1000)                                                                     \
    X(class_respondsToSelector, 1000)                                                              \
    X(class_getInstanceMethod, 1000)                                                               \
    X(class_getClassMethod, 1000)                                                                  \
    X(class_getMethodImplementation, 1000)                                                         \
    X(method_getName, 1000)                                                                        \
    X(method_getImplementation, 1000)

static const struct {
    const char *name;
    int since;
} symbols[] = {
#define COREAUDIO_SYMBOL(name, since) {#name, since},
    COREAUDIO_SYMBOLS
        /* The runtime of Objective-C is not in abi.json. */
        OBJC_SYMBOLS(COREAUDIO_SYMBOL)
#undef COREAUDIO_SYMBOL
};

static void *own(const char *name) {
    static void *library;
    if (library == NULL) {
        Dl_info info;
        void *here;
        int (*function)(const char *) = sim_symbol_since;
        memcpy(&here, &function, sizeof here);
        if (dladdr(here, &info) == 0) {
            return NULL;
        }
        library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    }
    return library ? dlsym(library, name) : NULL;
}

EXPORT int sim_symbol_since(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof symbols / sizeof symbols[0]; i++) {
        if (strcmp(symbols[i].name, name) == 0) {
            return own(name) ? symbols[i].since : 0;
        }
    }
    return 0;
}

EXPORT void *sim_dlsym(const char *name) {
    int since = sim_symbol_since(name);
    return since != 0 && since <= sim_macos() ? own(name) : NULL;
}
