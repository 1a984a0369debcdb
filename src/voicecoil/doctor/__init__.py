"""Checks of an audio system and its devices, for ``voicecoil doctor``.

`overview` reads what there is. The tests open a device. `timing` and `inputs` make no sound;
`cable` plays bursts and a tone. Each test returns a `Finding`, one line of the command's output.
"""
