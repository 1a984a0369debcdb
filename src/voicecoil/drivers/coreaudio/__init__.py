"""The driver of macOS. It uses CoreAudio's HAL or a simulated HAL."""
