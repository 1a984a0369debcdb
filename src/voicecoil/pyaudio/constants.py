"""PortAudio's numbers, by the names that PyAudio gives them."""

from __future__ import annotations

__all__ = [
    "paAL",
    "paALSA",
    "paASIO",
    "paAbort",
    "paBadIODeviceCombination",
    "paBadStreamPtr",
    "paBeOS",
    "paBufferTooBig",
    "paBufferTooSmall",
    "paCanNotReadFromACallbackStream",
    "paCanNotReadFromAnOutputOnlyStream",
    "paCanNotWriteToACallbackStream",
    "paCanNotWriteToAnInputOnlyStream",
    "paComplete",
    "paContinue",
    "paCoreAudio",
    "paCustomFormat",
    "paDeviceUnavailable",
    "paDirectSound",
    "paFloat32",
    "paFramesPerBufferUnspecified",
    "paHostApiNotFound",
    "paInDevelopment",
    "paIncompatibleHostApiSpecificStreamInfo",
    "paIncompatibleStreamHostApi",
    "paInputOverflow",
    "paInputOverflowed",
    "paInputUnderflow",
    "paInsufficientMemory",
    "paInt16",
    "paInt24",
    "paInt32",
    "paInt8",
    "paInternalError",
    "paInvalidChannelCount",
    "paInvalidDevice",
    "paInvalidFlag",
    "paInvalidHostApi",
    "paInvalidSampleRate",
    "paJACK",
    "paMME",
    "paNoDevice",
    "paNoError",
    "paNotInitialized",
    "paNullCallback",
    "paOSS",
    "paOutputOverflow",
    "paOutputUnderflow",
    "paOutputUnderflowed",
    "paPrimingOutput",
    "paSampleFormatNotSupported",
    "paSoundManager",
    "paStreamIsNotStopped",
    "paStreamIsStopped",
    "paTimedOut",
    "paUInt8",
    "paUnanticipatedHostError",
    "paWASAPI",
    "paWDMKS",
]

# Sample formats
paFloat32 = 1
paInt32 = 2
paInt24 = 4
paInt16 = 8
paInt8 = 16
paUInt8 = 32
paCustomFormat = 65536

# Host APIs
paInDevelopment = 0
paDirectSound = 1
paMME = 2
paASIO = 3
paSoundManager = 4
paCoreAudio = 5
paOSS = 7
paALSA = 8
paAL = 9
paBeOS = 10
paWDMKS = 11
paJACK = 12
paWASAPI = 13
paNoDevice = -1

# What a callback returns
paContinue = 0
paComplete = 1
paAbort = 2

# Flags of a block
paInputUnderflow = 1
paInputOverflow = 2
paOutputUnderflow = 4
paOutputOverflow = 8
paPrimingOutput = 16

# Lengths of blocks
paFramesPerBufferUnspecified = 0

# Errors
paNoError = 0
paIncompatibleStreamHostApi = -9973
paCanNotWriteToAnInputOnlyStream = -9974
paCanNotReadFromAnOutputOnlyStream = -9975
paCanNotWriteToACallbackStream = -9976
paCanNotReadFromACallbackStream = -9977
paInvalidHostApi = -9978
paHostApiNotFound = -9979
paOutputUnderflowed = -9980
paInputOverflowed = -9981
paStreamIsNotStopped = -9982
paStreamIsStopped = -9983
paIncompatibleHostApiSpecificStreamInfo = -9984
paDeviceUnavailable = -9985
paInternalError = -9986
paTimedOut = -9987
paBadStreamPtr = -9988
paNullCallback = -9989
paBufferTooSmall = -9990
paBufferTooBig = -9991
paInsufficientMemory = -9992
paBadIODeviceCombination = -9993
paSampleFormatNotSupported = -9994
paInvalidFlag = -9995
paInvalidDevice = -9996
paInvalidSampleRate = -9997
paInvalidChannelCount = -9998
paUnanticipatedHostError = -9999
paNotInitialized = -10000
