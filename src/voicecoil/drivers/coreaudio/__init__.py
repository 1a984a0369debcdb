"""The driver of macOS: CoreAudio's HAL, or a simulated one."""
