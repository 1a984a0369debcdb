/* test_formats.c: formats of streams: the match of a description, formats that cannot be mixed, and
 * what an IOProc gets in them. */
#include "check.h"

#include <math.h>
#include <stdbool.h>
#include <unistd.h>

static const UInt32 global = kAudioObjectPropertyScopeGlobal,
                    output = kAudioObjectPropertyScopeOutput;
static AudioObjectID device, stream;
static AudioDeviceIOProcID proc;
static UInt32 frame_bytes;
static bool fits;
static int calls;

static OSStatus io(AudioObjectID d, const AudioTimeStamp *now, const AudioBufferList *in,
                   const AudioTimeStamp *in_time, AudioBufferList *out,
                   const AudioTimeStamp *out_time, void *data) {
    (void)d, (void)now, (void)in, (void)in_time, (void)data;
    const AudioBuffer *b = &out->mBuffers[0];
    fits = fits && b->mDataByteSize == 512 * frame_bytes;
    unsigned char *bytes = b->mData;
    UInt32 sample = frame_bytes / b->mNumberChannels;
    for (UInt32 i = 0; i < b->mDataByteSize / sample; i++) { /* 1, 2, 3, ... in the top 16 bits */
        UInt32 value = (UInt32)out_time->mSampleTime * b->mNumberChannels + i;
        bytes[i * sample + sample - 2] = (unsigned char)value;
        bytes[i * sample + sample - 1] = (unsigned char)(value >> 8 & 0x7f);
    }
    calls++;
    return 0;
}

static void begin(int fixture, const char *uid) {
    world_with(0, fixture);
    device = sim_find_device(uid);
    stream = get_u32(device, kAudioDevicePropertyStreams, output);
    fits = true;
    calls = 0;
}
static AudioStreamBasicDescription format(UInt32 selector) {
    AudioStreamBasicDescription f = {0};
    UInt32 size = sizeof f;
    EQUAL(get_data(stream, selector, global, 0, &f, &size), 0);
    return f;
}
static OSStatus set_physical(const AudioStreamBasicDescription *f) {
    return set_data(stream, kAudioStreamPropertyPhysicalFormat, f, sizeof *f);
}
/* Finds an offered physical format with these bits and flags. */
static bool offered(UInt32 id, UInt32 bits, UInt32 flags, AudioStreamBasicDescription *found) {
    static AudioStreamRangedDescription list[128];
    UInt32 size = sizeof list;
    EQUAL(get_data(stream, kAudioStreamPropertyAvailablePhysicalFormats, global, 0, list, &size),
          0);
    for (size_t i = 0; i < size / sizeof list[0]; i++) {
        *found = list[i].mFormat;
        if (found->mFormatID == id && found->mBitsPerChannel == bits &&
            (found->mFormatFlags & flags) == flags && found->mSampleRate == 48000) {
            return true;
        }
    }
    return false;
}

static void what_is_offered(void) {
    AudioStreamBasicDescription f;
    begin(3, "USBDuplex:1");
    const UInt32 pcm = kAudioFormatLinearPCM, unmixed = kAudioFormatFlagIsNonMixable;
    EQUAL(offered(pcm, 16, kAudioFormatFlagIsSignedInteger, &f), 1);
    EQUAL(offered(pcm, 32, kAudioFormatFlagIsSignedInteger, &f), 1);
    EQUAL(offered(pcm, 24, kAudioFormatFlagIsAlignedHigh, &f), 1);
    EQUAL(f.mBytesPerFrame, 8);
    EQUAL(offered(pcm, 24, unmixed, &f), 1);
    EQUAL(f.mBytesPerFrame, 6);
    begin(12, "SPDIF:1");
    EQUAL(offered(kAudioFormat60958AC3, 16, unmixed, &f), 1);
    sim_reset();
}

static void a_description_finds_its_format(void) {
    begin(3, "USBDuplex:1");
    AudioStreamBasicDescription f = format(kAudioStreamPropertyPhysicalFormat);
    EQUAL(f.mBitsPerChannel, 24);
    f.mSampleRate = 0; /* keeps the rate */
    f.mBitsPerChannel = 16;
    f.mBytesPerFrame = f.mBytesPerPacket = 0;
    EQUAL(set_physical(&f), 0);
    AudioStreamBasicDescription got = format(kAudioStreamPropertyPhysicalFormat);
    EQUAL(got.mSampleRate, 48000);
    EQUAL(got.mBitsPerChannel, 16);
    EQUAL(got.mBytesPerFrame, 4);
    f = got;
    f.mFormatFlags |= kAudioFormatFlagIsBigEndian;
    EQUAL(set_physical(&f), kAudioDeviceUnsupportedFormatError);
    f = got;
    f.mFormatFlags &= ~kAudioFormatFlagIsSignedInteger;
    f.mFormatFlags |= kAudioFormatFlagIsFloat;
    EQUAL(set_physical(&f), kAudioDeviceUnsupportedFormatError);
    f = got;
    f.mChannelsPerFrame = 1;
    EQUAL(set_physical(&f), kAudioDeviceUnsupportedFormatError);
    f = got;
    f.mFormatID = kAudioFormatAC3;
    EQUAL(set_physical(&f), kAudioDeviceUnsupportedFormatError);
    f = got;
    f.mSampleRate = 96000; /* a format with another rate changes the rate of the device */
    EQUAL(set_physical(&f), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    EQUAL(get_f64(device, kAudioDevicePropertyNominalSampleRate, global), 96000);
    EQUAL(format(kAudioStreamPropertyVirtualFormat).mBitsPerChannel, 32);
    sim_reset();
}

/* Plays in a format that cannot be mixed, and compares what left the device with what was sent. */
static void plays_as_it_is(UInt32 id, UInt32 bits, UInt32 flags, UInt32 bytes_per_frame) {
    AudioStreamBasicDescription f;
    EQUAL(offered(id, bits, flags | kAudioFormatFlagIsNonMixable, &f), 1);
    EQUAL(set_physical(&f), 0);
    EQUAL(sim_advance_ns(SECOND), 0);
    AudioStreamBasicDescription heard = format(kAudioStreamPropertyVirtualFormat);
    CHECK(memcmp(&heard, &f, sizeof f) == 0, "the virtual format is not the physical one");
    EQUAL(f.mBytesPerFrame, bytes_per_frame);
    EQUAL(get_u32(device, kAudioDevicePropertySupportsMixing, global), 0);
    frame_bytes = bytes_per_frame;
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
    EQUAL((SInt32)get_u32(device, kAudioDevicePropertyHogMode, global), -1);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(get_u32(device, kAudioDevicePropertyHogMode, global), getpid());
    EQUAL(sim_advance_ns(200 * MS), 0);
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL((SInt32)get_u32(device, kAudioDevicePropertyHogMode, global), -1);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    CHECK(calls > 10 && fits, "%d calls", calls);
    sim_run info;
    EQUAL(sim_run_info(device, sim_run_count(device) - 1, &info), 0);
    for (UInt32 channel = 0; channel < 2; channel++) {
        float samples[1000];
        EQUAL(sim_capture_read(device, info.running ? 0 : sim_run_count(device) - 1, 0, channel, 0,
                               1000, samples, NULL),
              1000);
        int wrong = 0;
        for (int i = 0; i < 1000; i++) {
            UInt32 value = ((UInt32)info.first_sample_time + (UInt32)i) * 2 + channel;
            wrong += fabsf(samples[i] * 32768 - (float)(value & 0x7fff)) > 0;
        }
        EQUAL(wrong, 0);
    }
}

static void formats_that_cannot_be_mixed(void) {
    begin(3, "USBDuplex:1");
    plays_as_it_is(kAudioFormatLinearPCM, 16, kAudioFormatFlagIsSignedInteger, 4);
    plays_as_it_is(kAudioFormatLinearPCM, 24, kAudioFormatFlagIsPacked, 6);
    plays_as_it_is(kAudioFormatLinearPCM, 32, kAudioFormatFlagIsSignedInteger, 8);
    world_is_clean();
    begin(12, "SPDIF:1");
    plays_as_it_is(kAudioFormat60958AC3, 16, 0, 4);
    world_is_clean();
}

static void mixing_off_and_on(void) {
    begin(3, "USBDuplex:1");
    AudioObjectPropertyAddress a = {kAudioDevicePropertySupportsMixing, global, 0};
    Boolean settable = 0;
    UInt32 on = 0;
    EQUAL(AudioObjectIsPropertySettable(device, &a, &settable), 0);
    EQUAL(settable, 1);
    EQUAL(AudioObjectSetPropertyData(device, &a, 0, NULL, sizeof on, &on), 0);
    EQUAL(get_u32(device, kAudioDevicePropertySupportsMixing, global), 0);
    EQUAL(format(kAudioStreamPropertyVirtualFormat).mBitsPerChannel, 24);
    on = 1;
    EQUAL(AudioObjectSetPropertyData(device, &a, 0, NULL, sizeof on, &on), 0);
    EQUAL(format(kAudioStreamPropertyVirtualFormat).mBitsPerChannel, 32);
    begin(20, "OutputOnly"); /* it has no formats of this kind */
    EQUAL(AudioObjectIsPropertySettable(device, &a, &settable), 0);
    EQUAL(settable, 0);
    sim_reset();
}

/* A change of the format restarts the IO of a device that runs. */
static void a_format_changes_under_a_running_io_proc(void) {
    begin(3, "USBDuplex:1");
    AudioStreamBasicDescription f;
    EQUAL(offered(kAudioFormatLinearPCM, 16, kAudioFormatFlagIsNonMixable, &f), 1);
    frame_bytes = 8;
    EQUAL(AudioDeviceCreateIOProcID(device, io, NULL, &proc), 0);
    EQUAL(AudioDeviceStart(device, proc), 0);
    EQUAL(sim_advance_ns(100 * MS), 0);
    CHECK(fits, "no float32");
    EQUAL(set_physical(&f), 0);
    frame_bytes = 4;
    EQUAL(sim_advance_ns(500 * MS), 0);
    CHECK(fits, "not the new format");
    EQUAL(sim_run_count(device), 2);
    EQUAL(AudioDeviceStop(device, proc), 0);
    EQUAL(AudioDeviceDestroyIOProcID(device, proc), 0);
    world_is_clean();
}

int main(void) {
    what_is_offered();
    a_description_finds_its_format();
    formats_that_cannot_be_mixed();
    mixing_off_and_on();
    a_format_changes_under_a_running_io_proc();
    return check_result("formats");
}
