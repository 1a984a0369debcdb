/* messages.h - keeps the messages of the sound servers' client libraries.
 *
 * libjack and libasound write their messages to stderr, unless the program gives them a function
 * for messages. The functions here keep each message, so that the error that follows can show it.
 * They may be called on any thread and do not wait. */
#ifndef VOICECOIL_MINIAUDIO_MESSAGES_H
#define VOICECOIL_MINIAUDIO_MESSAGES_H

#include <stdbool.h>

enum { VC_MESSAGE_BYTES = 256, VC_MESSAGES = 32 };

/* The function for jack_set_error_function and jack_set_info_function. It may be called on any
 * thread. */
void vc_message_jack(const char *text);
/* The function for snd_lib_error_set_handler. It may be called on any thread. */
void vc_message_alsa(const char *file, int line, const char *function, int error,
                     const char *format, ...);
/* Takes the oldest message. Returns false if there is none. One thread at a time. [control] */
bool vc_message_take(char text[VC_MESSAGE_BYTES]);

#endif
