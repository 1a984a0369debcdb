#include "coreaudio_simulator.h"
