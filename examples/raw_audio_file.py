"""Calls C functions of macOS through voicecoil.raw: ExtAudioFile reads a file, AudioQueue plays.

    python examples/raw_audio_file.py sound.m4a

voicecoil.raw does not know the types of AudioQueue's functions, so this program declares them.
"""

import sys
from ctypes import addressof, byref, c_bool, c_ubyte, c_uint32, c_void_p, sizeof

from voicecoil import raw


def read(path: str) -> int:
    """Returns the number of frames of a file, decoded by the system."""
    name = path.encode()
    buffer = (c_ubyte * len(name)).from_buffer_copy(name)
    url = raw.CFURLCreateFromFileSystemRepresentation(None, buffer, len(name), 0)
    file, frames = c_void_p(), 0
    raw.ExtAudioFileOpenURL(url, byref(file))
    raw.CFRelease(url)
    try:
        layout = raw.AudioStreamBasicDescription()
        size = c_uint32(sizeof(layout))
        wanted = raw.kExtAudioFileProperty_FileDataFormat
        raw.ExtAudioFileGetProperty(file, wanted, byref(size), byref(layout))
        memory = (c_ubyte * (4096 * 4 * layout.mChannelsPerFrame))()
        while True:
            buffers = raw.AudioBufferList(1)
            buffers.mBuffers[0].mNumberChannels = layout.mChannelsPerFrame
            buffers.mBuffers[0].mDataByteSize = sizeof(memory)
            buffers.mBuffers[0].mData = addressof(memory)
            count = c_uint32(4096)
            raw.ExtAudioFileRead(file, byref(count), byref(buffers))
            if count.value == 0:
                return frames
            frames += count.value
    finally:
        raw.ExtAudioFileDispose(file)


def stop_queue(queue: c_void_p) -> None:
    """Stops an AudioQueue at once."""
    dispose = raw.function("AudioQueueDispose", raw.OSStatus, c_void_p, c_bool)
    dispose(queue, True)


if __name__ == "__main__":
    try:
        print(read(sys.argv[1]), "frames")
        raw.function("AudioQueueDispose", raw.OSStatus, c_void_p, c_bool)
    except (raw.SymbolMissingError, raw.DriverError) as error:
        sys.exit(str(error))
