"""Drivers for the audio systems that streams run on. `protocol` describes a driver."""
