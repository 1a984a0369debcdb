"""The devices of ALSA, PulseAudio, PipeWire, JACK and WASAPI, through the miniaudio library."""
