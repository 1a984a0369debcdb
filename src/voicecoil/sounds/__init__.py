"""Playing, recording, rendering and mixing of sounds with streams."""
