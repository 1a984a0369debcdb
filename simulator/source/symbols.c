/* symbols.c: the exported symbols, and the first macOS that has each of them. */
#include "world.h"
#include "coreaudio_symbols.h"

#include <dlfcn.h>

static const struct {
    const char *name;
    int since;
} symbols[] = {
#define COREAUDIO_SYMBOL(name, since) {#name, since},
    COREAUDIO_SYMBOLS
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
