/* library.h - opens a library by its path at run time.
 *
 * Windows has neither CoreAudio nor the simulator. The functions exist there, too, so that the
 * module is the same on all systems and can report which functions a library does not have.
 * [control] */
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

/* Returns NULL if the library cannot be opened. vc_library_error has the reason. */
static inline void *vc_library_open(const char *path) {
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

/* Returns NULL if the library does not have the symbol. */
static inline void *vc_library_find(void *library, const char *name) {
    return dlsym(library, name);
}

static inline const char *vc_library_error(void) { return dlerror(); }
#endif

#endif
