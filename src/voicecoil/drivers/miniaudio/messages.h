/* messages.h - what the sound servers' client libraries say, instead of printing it.
 *
 * libjack and libasound write to stderr unless they are given a function. These keep the text for
 * the error that follows; from any thread, without waiting. */
#ifndef VOICECOIL_MINIAUDIO_MESSAGES_H
#define VOICECOIL_MINIAUDIO_MESSAGES_H

#include <stdbool.h>

enum { VC_MESSAGE_BYTES = 256, VC_MESSAGES = 32 };

/* For jack_set_error_function and jack_set_info_function. From any thread. */
void vc_message_jack(const char *text);
/* For snd_lib_error_set_handler. From any thread. */
void vc_message_alsa(const char *file, int line, const char *function, int error,
                     const char *format, ...);
/* Takes the oldest; false: there is none. [control], one thread at a time */
bool vc_message_take(char text[VC_MESSAGE_BYTES]);

#endif
