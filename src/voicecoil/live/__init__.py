"""Audio in pieces: players that the program feeds, and recorders that it reads."""
