/* cf_collections.c: CFArray and CFDictionary. Both search linearly, because they are small. */
#include "cf.h"

/* An array has values. A dictionary also has keys, at the same indices. */
typedef struct collection {
    cf_object head;
    const void **keys, **values;
    CFIndex count, room;
    CFArrayCallBacks array; /* functions for the values */
    CFDictionaryKeyCallBacks key;
} collection;

static const void *type_retain(CFAllocatorRef allocator, const void *value) {
    (void)allocator;
    return CFRetain(value);
}
static void type_release(CFAllocatorRef allocator, const void *value) {
    (void)allocator;
    CFRelease(value);
}
EXPORT const CFArrayCallBacks kCFTypeArrayCallBacks = {0, type_retain, type_release,
                                                       CFCopyDescription, CFEqual};
EXPORT const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {
    0, type_retain, type_release, CFCopyDescription, CFEqual, CFHash};
EXPORT const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {
    0, type_retain, type_release, CFCopyDescription, CFEqual};

void cf_drop_storage(cf_object *o) {
    collection *c = (collection *)(void *)o;
    free(c->keys);
    free(c->values);
    c->keys = c->values = NULL;
    c->count = 0;
}

static void finalise(cf_object *o) {
    collection *c = (collection *)(void *)o;
    for (CFIndex i = 0; i < c->count; i++) {
        if (c->keys != NULL && c->key.release != NULL) {
            c->key.release(NULL, c->keys[i]);
        }
        if (c->array.release != NULL) {
            c->array.release(NULL, c->values[i]);
        }
    }
    cf_drop_storage(o);
}

static collection *make(enum cf_type type) { return cf_new(type, sizeof(collection), finalise); }
static const collection *of(const void *object) { return object; }

static void append(collection *c, const void *key, const void *value) {
    if (c->count == c->room) {
        c->room = c->room ? c->room * 2 : 8;
        c->values = realloc(c->values, (size_t)c->room * sizeof *c->values);
        if (c->head.type == CF_DICTIONARY) {
            c->keys = realloc(c->keys, (size_t)c->room * sizeof *c->keys);
        }
    }
    if (c->head.type == CF_DICTIONARY) {
        c->keys[c->count] = c->key.retain ? c->key.retain(NULL, key) : key;
    }
    c->values[c->count++] = c->array.retain ? c->array.retain(NULL, value) : value;
}

/* ---- arrays ---- */

EXPORT CFMutableArrayRef CFArrayCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
                                              const CFArrayCallBacks *callBacks) {
    (void)allocator, (void)capacity;
    collection *c = make(CF_ARRAY);
    if (callBacks != NULL) {
        c->array = *callBacks;
    }
    return (CFMutableArrayRef)(void *)c;
}
EXPORT CFArrayRef CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex numValues,
                                const CFArrayCallBacks *callBacks) {
    CFMutableArrayRef array = CFArrayCreateMutable(allocator, numValues, callBacks);
    for (CFIndex i = 0; i < numValues; i++) {
        CFArrayAppendValue(array, values[i]);
    }
    return array;
}
EXPORT void CFArrayAppendValue(CFMutableArrayRef theArray, const void *value) {
    append((collection *)(void *)theArray, NULL, value);
}
EXPORT CFIndex CFArrayGetCount(CFArrayRef theArray) { return of(theArray)->count; }
EXPORT const void *CFArrayGetValueAtIndex(CFArrayRef theArray, CFIndex idx) {
    if (idx < 0 || idx >= of(theArray)->count) {
        report_fault(CN_fault_bad_size, "CFArrayGetValueAtIndex: %ld of %ld", (long)idx,
                     (long)of(theArray)->count);
        return NULL;
    }
    return of(theArray)->values[idx];
}
Boolean cf_array_equal(CFArrayRef a, CFArrayRef b) {
    const collection *x = of(a), *y = of(b);
    bool equal = x->count == y->count;
    for (CFIndex i = 0; equal && i < x->count; i++) {
        equal = x->array.equal ? x->array.equal(x->values[i], y->values[i])
                               : x->values[i] == y->values[i];
    }
    return equal;
}

/* ---- dictionaries ---- */

EXPORT CFMutableDictionaryRef CFDictionaryCreateMutable(
    CFAllocatorRef allocator, CFIndex capacity, const CFDictionaryKeyCallBacks *keyCallBacks,
    const CFDictionaryValueCallBacks *valueCallBacks) {
    (void)allocator, (void)capacity;
    collection *c = make(CF_DICTIONARY);
    if (keyCallBacks != NULL) {
        c->key = *keyCallBacks;
    }
    if (valueCallBacks != NULL) {
        c->array.retain = valueCallBacks->retain;
        c->array.release = valueCallBacks->release;
        c->array.equal = valueCallBacks->equal;
    }
    return (CFMutableDictionaryRef)(void *)c;
}

static CFIndex find(const collection *c, const void *key) {
    for (CFIndex i = 0; i < c->count; i++) {
        if (c->keys[i] == key || (c->key.equal != NULL && c->key.equal(c->keys[i], key))) {
            return i;
        }
    }
    return -1;
}

EXPORT void CFDictionaryAddValue(CFMutableDictionaryRef theDict, const void *key,
                                 const void *value) {
    collection *c = (collection *)(void *)theDict;
    if (find(c, key) < 0) {
        append(c, key, value);
    }
}
EXPORT void CFDictionarySetValue(CFMutableDictionaryRef theDict, const void *key,
                                 const void *value) {
    collection *c = (collection *)(void *)theDict;
    CFIndex i = find(c, key);
    if (i < 0) {
        append(c, key, value);
        return;
    }
    const void *kept = c->array.retain ? c->array.retain(NULL, value) : value;
    if (c->array.release != NULL) {
        c->array.release(NULL, c->values[i]);
    }
    c->values[i] = kept;
}
EXPORT CFDictionaryRef CFDictionaryCreate(CFAllocatorRef allocator, const void **keys,
                                          const void **values, CFIndex numValues,
                                          const CFDictionaryKeyCallBacks *keyCallBacks,
                                          const CFDictionaryValueCallBacks *valueCallBacks) {
    CFMutableDictionaryRef d =
        CFDictionaryCreateMutable(allocator, numValues, keyCallBacks, valueCallBacks);
    for (CFIndex i = 0; i < numValues; i++) {
        CFDictionaryAddValue(d, keys[i], values[i]);
    }
    return d;
}
EXPORT CFIndex CFDictionaryGetCount(CFDictionaryRef theDict) { return of(theDict)->count; }
EXPORT Boolean CFDictionaryGetValueIfPresent(CFDictionaryRef theDict, const void *key,
                                             const void **value) {
    CFIndex i = find(of(theDict), key);
    if (i >= 0 && value != NULL) {
        *value = of(theDict)->values[i];
    }
    return i >= 0;
}
EXPORT const void *CFDictionaryGetValue(CFDictionaryRef theDict, const void *key) {
    const void *value = NULL;
    CFDictionaryGetValueIfPresent(theDict, key, &value);
    return value;
}
EXPORT void CFDictionaryGetKeysAndValues(CFDictionaryRef theDict, const void **keys,
                                         const void **values) {
    const collection *c = of(theDict);
    for (CFIndex i = 0; i < c->count; i++) {
        if (keys != NULL) {
            keys[i] = c->keys[i];
        }
        if (values != NULL) {
            values[i] = c->values[i];
        }
    }
}
Boolean cf_dictionary_equal(CFDictionaryRef a, CFDictionaryRef b) {
    const collection *x = of(a), *y = of(b);
    bool equal = x->count == y->count;
    for (CFIndex i = 0; equal && i < x->count; i++) {
        CFIndex k = find(y, x->keys[i]);
        equal = k >= 0 && (x->array.equal ? x->array.equal(x->values[i], y->values[k])
                                          : x->values[i] == y->values[k]);
    }
    return equal;
}
