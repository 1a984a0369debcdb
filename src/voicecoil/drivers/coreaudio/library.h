/* library.h - a library that is opened by its path while the program runs.
 *
 * Windows has neither CoreAudio nor the simulated one; there it opens what it is told to, so that
 * the module is the same everywhere and says what is missing. [control] */
#ifndef VOICECOIL_COREAUDIO_LIBRARY_H
#define VOICECOIL_COREAUDIO_LIBRARY_H

#if defined(_WIN32)
#include <stdint.h>
#include <windows.h>

static inline void *vc_library_open(const char *path) { return (void *)LoadLibraryA(path); }

static inline void *vc_library_find(void *library, const char *name) {
    return (void *)(uintptr_t)GetProcAddress((HMODULE)library, name);
}

static inline const char *vc_library_error(void) { return "LoadLibrary could not open it"; }
#else
#include <dlfcn.h>

/* NULL: it is not there; vc_library_error says why. */
static inline void *vc_library_open(const char *path) {
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

/* NULL: it has no such symbol. */
static inline void *vc_library_find(void *library, const char *name) {
    return dlsym(library, name);
}

static inline const char *vc_library_error(void) { return dlerror(); }
#endif

#endif
