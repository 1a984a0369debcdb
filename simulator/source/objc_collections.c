/* objc_collections.c: methods of NSArray and NSDictionary. */
#include "objc.h"

/* ---- NSArray ---- */

static id array_of(const id *objects, uint64_t count, SEL s) {
    CFMutableArrayRef array = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (uint64_t i = 0; i < count; i++) {
        if (objects[i] == NULL) {
            CFRelease(array);
            return objc_exception("%s: object %llu is nil", sel_getName(s), (unsigned long long)i);
        }
        CFArrayAppendValue(array, objects[i]);
    }
    return array;
}
static id array_with(Class c, SEL s, const id *objects, uint64_t count) {
    (void)c;
    return later(array_of(objects, count, s));
}
static id array_init_with(id self, SEL s, const id *objects, uint64_t count) {
    objc_take_placeholder(self);
    return array_of(objects, count, s);
}
static id array_empty(Class c, SEL s) {
    (void)c;
    return later(array_of(NULL, 0, s));
}
static id array_init(id self, SEL s) {
    objc_take_placeholder(self);
    return array_of(NULL, 0, s);
}
static id array_with_capacity(Class c, SEL s, uint64_t room) {
    (void)room;
    return array_empty(c, s);
}
static id array_init_capacity(id self, SEL s, uint64_t room) {
    (void)room;
    return array_init(self, s);
}
static id array_with_object(Class c, SEL s, id object) {
    (void)c;
    return later(array_of(&object, 1, s));
}
enum { MOST_ARGUMENTS = 64 };
#define COLLECT(first)                                                                             \
    id objects[MOST_ARGUMENTS];                                                                    \
    uint64_t count = 0;                                                                            \
    va_list arguments;                                                                             \
    va_start(arguments, first);                                                                    \
    for (id object = first; object != NULL && count < MOST_ARGUMENTS;                              \
         object = va_arg(arguments, id)) {                                                         \
        objects[count++] = object;                                                                 \
    }                                                                                              \
    va_end(arguments)
static id array_with_objects(Class c, SEL s, id first, ...) {
    (void)c;
    COLLECT(first);
    return later(array_of(objects, count, s));
}
static id array_init_objects(id self, SEL s, id first, ...) {
    COLLECT(first);
    objc_take_placeholder(self);
    return array_of(objects, count, s);
}
static id array_copied(id array) {
    CFMutableArrayRef copy = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (CFIndex i = 0; array != NULL && i < CFArrayGetCount(array); i++) {
        CFArrayAppendValue(copy, CFArrayGetValueAtIndex(array, i));
    }
    return copy;
}
static id array_with_array(Class c, SEL s, id array) {
    (void)c, (void)s;
    return later(array_copied(array));
}
static id array_init_array(id self, SEL s, id array) {
    (void)s;
    objc_take_placeholder(self);
    return array_copied(array);
}
static id array_copy(id self, SEL s) {
    (void)s;
    return array_copied(self);
}
static uint64_t array_count(id self, SEL s) {
    (void)s;
    return (uint64_t)CFArrayGetCount(self);
}
static id array_at(id self, SEL s, uint64_t index) {
    if (index >= array_count(self, s)) {
        return objc_exception("-[NSArray objectAtIndex:]: %llu of %llu", (unsigned long long)index,
                              (unsigned long long)array_count(self, s));
    }
    return unconst(CFArrayGetValueAtIndex(self, (CFIndex)index));
}
static id array_first(id self, SEL s) {
    return array_count(self, s) > 0 ? array_at(self, s, 0) : NULL;
}
static id array_last(id self, SEL s) {
    uint64_t count = array_count(self, s);
    return count > 0 ? array_at(self, s, count - 1) : NULL;
}
static int64_t array_index(id self, SEL s, id object) {
    for (uint64_t i = 0; object != NULL && i < array_count(self, s); i++) {
        if (CFEqual(array_at(self, s, i), object)) {
            return (int64_t)i;
        }
    }
    return INT64_MAX; /* NSNotFound */
}
static signed char array_contains(id self, SEL s, id object) {
    return array_index(self, s, object) != INT64_MAX;
}
static signed char array_is_equal(id self, SEL s, id other) {
    (void)s;
    return other != NULL && objc_is(other, NS_ARRAY) && (signed char)cf_array_equal(self, other);
}
static void array_add(id self, SEL s, id object) {
    (void)s;
    if (object == NULL) {
        objc_exception("-[NSMutableArray addObject:]: the object is nil");
        return;
    }
    CFArrayAppendValue(self, object);
}
static id array_adding(id self, SEL s, id object) {
    id copy = array_copied(self);
    array_add(copy, s, object);
    return later(copy);
}

/* ---- NSDictionary ---- */

static id dictionary_of(const id *values, const id *keys, uint64_t count, SEL s) {
    CFMutableDictionaryRef d = CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                                         &kCFTypeDictionaryValueCallBacks);
    for (uint64_t i = 0; i < count; i++) {
        if (values[i] == NULL || keys[i] == NULL) {
            CFRelease(d);
            return objc_exception("%s: object %llu is nil", sel_getName(s), (unsigned long long)i);
        }
        CFDictionarySetValue(d, keys[i], values[i]);
    }
    return d;
}
static id dictionary_empty(Class c, SEL s) {
    (void)c;
    return later(dictionary_of(NULL, NULL, 0, s));
}
static id dictionary_with_capacity(Class c, SEL s, uint64_t room) {
    (void)room;
    return dictionary_empty(c, s);
}
static id dictionary_init(id self, SEL s) {
    objc_take_placeholder(self);
    return dictionary_of(NULL, NULL, 0, s);
}
static id dictionary_init_capacity(id self, SEL s, uint64_t room) {
    (void)room;
    return dictionary_init(self, s);
}
static id dictionary_with_one(Class c, SEL s, id value, id key) {
    (void)c;
    return later(dictionary_of(&value, &key, 1, s));
}
static id dictionary_with(Class c, SEL s, const id *values, const id *keys, uint64_t count) {
    (void)c;
    return later(dictionary_of(values, keys, count, s));
}
static id dictionary_init_with(id self, SEL s, const id *values, const id *keys, uint64_t count) {
    objc_take_placeholder(self);
    return dictionary_of(values, keys, count, s);
}
static id dictionary_of_pairs(const id *pairs, uint64_t count, SEL s) {
    id values[MOST_ARGUMENTS], keys[MOST_ARGUMENTS];
    for (uint64_t i = 0; i < count / 2; i++) {
        values[i] = pairs[2 * i];
        keys[i] = pairs[2 * i + 1];
    }
    return dictionary_of(values, keys, count / 2, s);
}
static id dictionary_with_pairs(Class c, SEL s, id first, ...) {
    (void)c;
    COLLECT(first);
    return later(dictionary_of_pairs(objects, count, s));
}
static id dictionary_init_pairs(id self, SEL s, id first, ...) {
    COLLECT(first);
    objc_take_placeholder(self);
    return dictionary_of_pairs(objects, count, s);
}
/* Makes a dictionary of two arrays. */
static id dictionary_of_arrays(id values, id keys, SEL s) {
    CFIndex count = values != NULL && keys != NULL ? CFArrayGetCount(values) : -1;
    if (count < 0 || count != CFArrayGetCount(keys)) {
        return objc_exception("%s: the arrays are not equally long", sel_getName(s));
    }
    CFMutableDictionaryRef d = dictionary_of(NULL, NULL, 0, s);
    for (CFIndex i = 0; i < count; i++) {
        CFDictionarySetValue(d, CFArrayGetValueAtIndex(keys, i), CFArrayGetValueAtIndex(values, i));
    }
    return d;
}
static id dictionary_with_arrays(Class c, SEL s, id values, id keys) {
    (void)c;
    return later(dictionary_of_arrays(values, keys, s));
}
static id dictionary_init_arrays(id self, SEL s, id values, id keys) {
    objc_take_placeholder(self);
    return dictionary_of_arrays(values, keys, s);
}

/* Returns an array of the keys or of the values of a dictionary. */
static id dictionary_list(id self, bool of_keys) {
    CFIndex count = CFDictionaryGetCount(self);
    const void **keys = calloc((size_t)count + 1, sizeof *keys);
    const void **values = calloc((size_t)count + 1, sizeof *values);
    CFDictionaryGetKeysAndValues(self, keys, values);
    CFMutableArrayRef list = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
    for (CFIndex i = 0; i < count; i++) {
        CFArrayAppendValue(list, of_keys ? keys[i] : values[i]);
    }
    free(keys);
    free(values);
    return list;
}
static id dictionary_keys(id self, SEL s) {
    (void)s;
    return later(dictionary_list(self, true));
}
static id dictionary_values(id self, SEL s) {
    (void)s;
    return later(dictionary_list(self, false));
}
static id dictionary_copy(id self, SEL s) {
    if (self == NULL) {
        return dictionary_of(NULL, NULL, 0, s);
    }
    id values = dictionary_list(self, false), keys = dictionary_list(self, true);
    id copy = dictionary_of_arrays(values, keys, s);
    CFRelease(values);
    CFRelease(keys);
    return copy;
}
static id dictionary_with_dictionary(Class c, SEL s, id other) {
    (void)c;
    return later(dictionary_copy(other, s));
}
static id dictionary_init_dictionary(id self, SEL s, id other) {
    objc_take_placeholder(self);
    return dictionary_copy(other, s);
}
static signed char dictionary_is_equal(id self, SEL s, id other) {
    (void)s;
    return other != NULL && CFEqual(self, other);
}
static uint64_t dictionary_count(id self, SEL s) {
    (void)s;
    return (uint64_t)CFDictionaryGetCount(self);
}
static id dictionary_get(id self, SEL s, id key) {
    (void)s;
    return key != NULL ? unconst(CFDictionaryGetValue(self, key)) : NULL;
}
static void dictionary_set(id self, SEL s, id value, id key) {
    if (value == NULL || key == NULL) {
        objc_exception("%s: nil", sel_getName(s));
        return;
    }
    CFDictionarySetValue(self, key, value);
}

objc_method collection_methods[] = {
    ON_CLASS(NS_ARRAY, "array", array_empty, 1000),
    ON_CLASS(NS_ARRAY, "arrayWithObject:", array_with_object, 1000),
    ON_CLASS(NS_ARRAY, "arrayWithObjects:", array_with_objects, 1000),
    ON_CLASS(NS_ARRAY, "arrayWithObjects:count:", array_with, 1000),
    ON_CLASS(NS_ARRAY, "arrayWithArray:", array_with_array, 1000),
    ON_CLASS(NS_MUTABLE_ARRAY, "arrayWithCapacity:", array_with_capacity, 1000),
    ON_OBJECT(NS_ARRAY, "init", array_init, 1000),
    ON_OBJECT(NS_ARRAY, "initWithObjects:", array_init_objects, 1000),
    ON_OBJECT(NS_ARRAY, "initWithObjects:count:", array_init_with, 1000),
    ON_OBJECT(NS_ARRAY, "initWithArray:", array_init_array, 1000),
    ON_OBJECT(NS_MUTABLE_ARRAY, "initWithCapacity:", array_init_capacity, 1000),
    ON_OBJECT(NS_ARRAY, "count", array_count, 1000),
    ON_OBJECT(NS_ARRAY, "objectAtIndex:", array_at, 1000),
    ON_OBJECT(NS_ARRAY, "objectAtIndexedSubscript:", array_at, 1000),
    ON_OBJECT(NS_ARRAY, "firstObject", array_first, 1000),
    ON_OBJECT(NS_ARRAY, "lastObject", array_last, 1000),
    ON_OBJECT(NS_ARRAY, "indexOfObject:", array_index, 1000),
    ON_OBJECT(NS_ARRAY, "containsObject:", array_contains, 1000),
    ON_OBJECT(NS_ARRAY, "isEqualToArray:", array_is_equal, 1000),
    ON_OBJECT(NS_ARRAY, "arrayByAddingObject:", array_adding, 1000),
    ON_OBJECT(NS_ARRAY, "copy", array_copy, 1000),
    ON_OBJECT(NS_ARRAY, "mutableCopy", array_copy, 1000),
    ON_OBJECT(NS_MUTABLE_ARRAY, "addObject:", array_add, 1000),
    ON_CLASS(NS_DICTIONARY, "dictionary", dictionary_empty, 1000),
    ON_CLASS(NS_DICTIONARY, "dictionaryWithObject:forKey:", dictionary_with_one, 1000),
    ON_CLASS(NS_DICTIONARY, "dictionaryWithObjects:forKeys:count:", dictionary_with, 1000),
    ON_CLASS(NS_DICTIONARY, "dictionaryWithObjectsAndKeys:", dictionary_with_pairs, 1000),
    ON_CLASS(NS_DICTIONARY, "dictionaryWithObjects:forKeys:", dictionary_with_arrays, 1000),
    ON_CLASS(NS_DICTIONARY, "dictionaryWithDictionary:", dictionary_with_dictionary, 1000),
    ON_CLASS(NS_MUTABLE_DICTIONARY, "dictionaryWithCapacity:", dictionary_with_capacity, 1000),
    ON_OBJECT(NS_DICTIONARY, "init", dictionary_init, 1000),
    ON_OBJECT(NS_DICTIONARY, "initWithObjects:forKeys:count:", dictionary_init_with, 1000),
    ON_OBJECT(NS_DICTIONARY, "initWithObjectsAndKeys:", dictionary_init_pairs, 1000),
    ON_OBJECT(NS_DICTIONARY, "initWithObjects:forKeys:", dictionary_init_arrays, 1000),
    ON_OBJECT(NS_DICTIONARY, "initWithDictionary:", dictionary_init_dictionary, 1000),
    ON_OBJECT(NS_DICTIONARY, "allKeys", dictionary_keys, 1000),
    ON_OBJECT(NS_DICTIONARY, "allValues", dictionary_values, 1000),
    ON_OBJECT(NS_DICTIONARY, "isEqualToDictionary:", dictionary_is_equal, 1000),
    ON_OBJECT(NS_DICTIONARY, "copy", dictionary_copy, 1000),
    ON_OBJECT(NS_DICTIONARY, "mutableCopy", dictionary_copy, 1000),
    ON_OBJECT(NS_MUTABLE_DICTIONARY, "initWithCapacity:", dictionary_init_capacity, 1000),
    ON_OBJECT(NS_DICTIONARY, "count", dictionary_count, 1000),
    ON_OBJECT(NS_DICTIONARY, "objectForKey:", dictionary_get, 1000),
    ON_OBJECT(NS_DICTIONARY, "objectForKeyedSubscript:", dictionary_get, 1000),
    ON_OBJECT(NS_MUTABLE_DICTIONARY, "setObject:forKey:", dictionary_set, 1000),
    ON_OBJECT(NS_MUTABLE_DICTIONARY, "setObject:forKeyedSubscript:", dictionary_set, 1000),
    ON_OBJECT(NS_MUTABLE_DICTIONARY, "setValue:forKey:", dictionary_set, 1000),
    {NO_CLASS, false, NULL, NULL, 0, NULL},
};
