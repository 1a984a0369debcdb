/* dictionary.c: see dictionary.h. */
#include "dictionary.h"

CFTypeRef dictionary_value(CFDictionaryRef dictionary, const char *key) {
    CFStringRef string = cf_string(key);
    CFTypeRef value = CFDictionaryGetValue(dictionary, string);
    CFRelease(string);
    return value;
}

char *dictionary_text(CFDictionaryRef dictionary, const char *key) {
    CFTypeRef value = dictionary_value(dictionary, key);
    return cf_is(value, CF_STRING) ? cf_copy_utf8(value) : NULL;
}

UInt32 dictionary_number(CFDictionaryRef dictionary, const char *key) {
    CFTypeRef value = dictionary_value(dictionary, key);
    SInt32 number = 0;
    if (cf_is(value, CF_NUMBER)) {
        CFNumberGetValue(value, kCFNumberSInt32Type, &number);
    } else if (cf_is(value, CF_BOOLEAN)) {
        number = CFBooleanGetValue(value);
    }
    return (UInt32)number;
}

CFMutableDictionaryRef dictionary_new(void) {
    return CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
                                     &kCFTypeDictionaryValueCallBacks);
}
void dictionary_add(CFMutableDictionaryRef dictionary, const char *key, CFTypeRef value) {
    CFStringRef string = cf_string(key);
    CFDictionarySetValue(dictionary, string, value);
    CFRelease(string);
    CFRelease(value);
}
void dictionary_add_text(CFMutableDictionaryRef dictionary, const char *key, const char *text) {
    if (text != NULL) {
        dictionary_add(dictionary, key, cf_string(text));
    }
}
void dictionary_add_number(CFMutableDictionaryRef dictionary, const char *key, UInt32 number) {
    dictionary_add(dictionary, key, CFNumberCreate(NULL, kCFNumberSInt32Type, &number));
}
