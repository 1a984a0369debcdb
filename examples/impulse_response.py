import numpy as np
import voicecoil as vc
impulse = np.zeros(48_000)
impulse[0] = 0.5
response = vc.playrec(impulse, 48_000, input_channels=1).wait()
print(np.argmax(np.abs(response)), np.max(np.abs(response)))
