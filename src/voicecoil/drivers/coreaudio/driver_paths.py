"""The paths of CoreAudio's libraries."""

__all__ = ["FRAMEWORKS"]

# Since macOS 11 these files do not exist on disk; the dynamic linker resolves the paths.
FRAMEWORKS = (
    "/System/Library/Frameworks/CoreAudio.framework/CoreAudio",
    "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation",
    "/usr/lib/libSystem.B.dylib",
)
