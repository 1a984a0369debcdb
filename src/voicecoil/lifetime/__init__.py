"""What outlives a stream: interpreter exit, fork, and objects that are listed while they live."""
