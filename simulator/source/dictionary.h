/* dictionary.h: the dictionaries that describe devices made by a client, read and written. */
#ifndef SIM_DICTIONARY_H
#define SIM_DICTIONARY_H

#include "world.h"

CFTypeRef dictionary_value(CFDictionaryRef dictionary, const char *key); /* NULL: absent */
/* A text belongs to the caller. What is absent or of another type is NULL or 0. */
char *dictionary_text(CFDictionaryRef dictionary, const char *key);
UInt32 dictionary_number(CFDictionaryRef dictionary, const char *key);

CFMutableDictionaryRef dictionary_new(void);
void dictionary_add(CFMutableDictionaryRef dictionary, const char *key,
                    CFTypeRef value); /* takes */
void dictionary_add_text(CFMutableDictionaryRef dictionary, const char *key, const char *text);
void dictionary_add_number(CFMutableDictionaryRef dictionary, const char *key, UInt32 number);

#endif
