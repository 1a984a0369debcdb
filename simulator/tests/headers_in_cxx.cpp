// headers_in_cxx.cpp: the headers can be included by a client in C++.
#define COREAUDIO_ABI_PROTOTYPES
#include "coreaudio_abi.h"
#include "coreaudio_properties.h"
#include "coreaudio_simulator.h"

static_assert(sizeof(AudioStreamBasicDescription) == 40, "as in C");
