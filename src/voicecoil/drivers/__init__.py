"""The audio systems that streams run on; `driver` has the protocol."""
