# Properties with qualifiers, questions and CoreFoundation objects: a part of _hal.pyx.

cdef enum:
    MAX_DEPTH = 32  # of nested arrays and dictionaries
    MAX_PATH_BYTES = 4096
    FLOAT_NUMBERS = 0b10011000001100000  # CFNumberTypes 5, 6, 12, 13 and 16 are floats


cdef extern from *:
    """
    /* Another thread may set the mark at any time. */
    static int vc_mark_is_set(const char *mark) { return *(const volatile char *)mark; }
    """
    bint vc_mark_is_set(const char *mark) nogil


cdef class Addresses:
    """Addresses of properties as an array in C.

    Parameters
    ----------
    places : list of (int, int, int)
        Selector, scope and element of each.
    sizes : list of int or None
        The bytes of each value that `Values.survey` gets; 0: it does not get this value.
    """

    cdef readonly list places
    cdef AudioObjectPropertyAddress *at
    cdef uint32_t *sizes
    cdef size_t bytes_of_all

    def __cinit__(self, list places not None, list sizes=None):
        cdef Py_ssize_t i
        self.places = places
        self.at = <AudioObjectPropertyAddress *>PyMem_Calloc(
            len(places) + 1, sizeof(AudioObjectPropertyAddress))
        self.sizes = <uint32_t *>PyMem_Calloc(len(places) + 1, sizeof(uint32_t))
        if self.at == NULL or self.sizes == NULL:
            raise MemoryError
        for i, place in enumerate(places):
            self.at[i] = address(place[0], place[1], place[2])
            if sizes is not None:
                self.sizes[i] = sizes[i]
                self.bytes_of_all += self.sizes[i]

    def __dealloc__(self):
        PyMem_Free(self.at)
        PyMem_Free(self.sizes)


cdef struct Answer:
    int32_t status
    uint32_t size


cdef class Values:
    """Gets and sets properties of any type with the functions of a `Library`.

    Each method returns an OSStatus and the results, as those of `Library`. A `qualifier` is None,
    bytes, or a str or dict, whose CoreFoundation object is passed by its address.
    """

    cdef Library library

    def __cinit__(self, Library library not None):
        self.library = library

    def get(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element,
            qualifier, bytes question, uint32_t capacity):
        """A value, cut to `capacity`; the buffer begins with `question`: (OSStatus, bytes)."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef uint32_t size = capacity
        cdef bytes value = PyBytes_FromStringAndSize(NULL, capacity)
        cdef char *memory = PyBytes_AS_STRING(value)
        memset(memory, 0, capacity)
        memcpy(memory, PyBytes_AS_STRING(question), min(<uint32_t>len(question), capacity))
        status = self.call_get(object, &at, qualifier, &size, memory)
        return status, value if size >= capacity else value[:size]

    def get_object(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element,
                   qualifier):
        """A CoreFoundation object as a Python object, released: (OSStatus, size, object)."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef CFTypeRef value = NULL
        cdef uint32_t size = sizeof(value)
        status = self.call_get(object, &at, qualifier, &size, &value)
        if status != 0 or size != sizeof(value) or value == NULL:
            return status, size, None
        return status, size, self.taken(value)

    def translate(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element,
                  uint32_t question, str answer):
        """The answer to an AudioValueTranslation, "u32", "CFString" or "c_string".

        Returns (OSStatus, answer or None).
        """
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioValueTranslation translation
        cdef uint32_t size = sizeof(translation)
        cdef CFTypeRef value = NULL
        cdef uint32_t number = 0
        cdef bytes text = bytes(256)
        translation.mInputData = &question
        translation.mInputDataSize = sizeof(question)
        translation.mOutputData = &value
        translation.mOutputDataSize = sizeof(value)
        if answer == "u32":
            translation.mOutputData = &number
            translation.mOutputDataSize = sizeof(number)
        elif answer == "c_string":
            translation.mOutputData = PyBytes_AS_STRING(text)
            translation.mOutputDataSize = 255
        status = self.call_get(object, &at, None, &size, &translation)
        if status != 0:
            return status, None
        if answer == "u32":
            return status, number
        if answer == "c_string":
            return status, text.split(b"\0", 1)[0].decode("utf-8", "replace")
        return status, None if value == NULL else self.taken(value)

    def set_object(self, uint32_t object, uint32_t selector, uint32_t scope, uint32_t element,
                   value):
        """Sets a property to a CoreFoundation object. Returns the OSStatus."""
        cdef AudioObjectPropertyAddress at = address(selector, scope, element)
        cdef AudioObjectSetPropertyData_fn call
        cdef CFTypeRef made = self.make(value)
        cdef int32_t status
        try:
            call = <AudioObjectSetPropertyData_fn>self.library.find_call(
                "AudioObjectSetPropertyData")
            with nogil:
                status = call(object, &at, 0, NULL, sizeof(made), &made)
        finally:
            self.release(made)
        return status

    def present(self, uint32_t object, list addresses):
        """Those of (selector, scope, element) that the object has, in their order."""
        there = self.look(object, Addresses(addresses), NULL, NULL)
        return [one for one, answer in zip(addresses, there) if answer]

    def survey(self, uint32_t object, Addresses addresses not None):
        """What the object has, in the order of the addresses.

        Returns a list of (address, whether it can be set, OSStatus, bytes). The bytes are None
        where no value was got, and cut to the size of the address.
        """
        cdef Py_ssize_t i, at = 0, count = len(addresses.places)
        cdef bytes memory = bytes(addresses.bytes_of_all)
        cdef bytes results = bytes(count * sizeof(Answer))
        cdef Answer *result = <Answer *>PyBytes_AS_STRING(results)
        cdef bytes there = self.look(object, addresses, result, PyBytes_AS_STRING(memory))
        found = []
        for i in range(count):
            size = addresses.sizes[i]
            if there[i]:
                value = memory[at : at + min(result[i].size, size)] if size else None
                found.append((addresses.places[i], there[i] == 2, result[i].status, value))
            at += size
        return found

    cdef bytes look(self, uint32_t object, Addresses addresses, Answer *result, char *memory):
        """A byte for each address: 0: the object does not have it, 1: it has it, 2: settable.

        With `result` NULL, it only asks which addresses the object has. Otherwise it also gets the
        values, which follow each other in `memory`.
        """
        cdef AudioObjectHasProperty_fn has
        cdef AudioObjectIsPropertySettable_fn settable
        cdef AudioObjectGetPropertyData_fn get
        cdef uint32_t *size = addresses.sizes
        cdef Py_ssize_t i, count = len(addresses.places)
        cdef AudioObjectPropertyAddress *at = addresses.at
        cdef bytes answers = bytes(count)
        cdef unsigned char *answer = <unsigned char *>PyBytes_AS_STRING(answers)
        cdef unsigned char can
        job = self.library.before_call() if self.library.before_call is not None else None
        cdef bytearray mark = bytearray(1) if job is None else job.mark
        cdef const char *replaced = PyByteArray_AsString(mark)
        has = <AudioObjectHasProperty_fn>self.library.find("AudioObjectHasProperty")
        settable = <AudioObjectIsPropertySettable_fn>self.library.find(
            "AudioObjectIsPropertySettable")
        get = <AudioObjectGetPropertyData_fn>self.library.find("AudioObjectGetPropertyData")
        with nogil:
            for i in range(count):
                # Before each call: another thread may have taken over during the last one.
                if vc_mark_is_set(replaced):
                    break
                answer[i] = has(object, &at[i]) != 0
                if result == NULL:
                    continue
                if answer[i] and not vc_mark_is_set(replaced):
                    can = 0
                    if settable(object, &at[i], &can) == 0 and can:
                        answer[i] = 2
                if answer[i] and size[i] and not vc_mark_is_set(replaced):
                    result[i].size = size[i]
                    result[i].status = get(object, &at[i], 0, NULL, &result[i].size, memory)
                memory += size[i]
        if vc_mark_is_set(replaced):
            self.library.before_call()  # raises AbandonedError
        return answers

    # ---- the call ----

    cdef int32_t call_get(self, uint32_t object, AudioObjectPropertyAddress *at, qualifier,
                          uint32_t *size, void *memory) except? -1:
        cdef AudioObjectGetPropertyData_fn call
        cdef CFTypeRef made = NULL
        cdef const void *data = NULL
        cdef uint32_t data_size = 0
        cdef int32_t status
        if isinstance(qualifier, bytes):
            data = PyBytes_AS_STRING(qualifier)
            data_size = <uint32_t>len(qualifier)
        elif qualifier is not None:
            made = self.make(qualifier)
            data = &made
            data_size = sizeof(made)
        try:
            call = <AudioObjectGetPropertyData_fn>self.library.find_call(
                "AudioObjectGetPropertyData")
            with nogil:
                status = call(object, at, data_size, data, size, memory)
        finally:
            self.release(made)
        return status

    cdef release(self, CFTypeRef value):
        cdef CFRelease_fn release
        if value != NULL:
            release = <CFRelease_fn>self.library.find("CFRelease")
            with nogil:
                release(value)

    # ---- from CoreFoundation to Python ----

    cdef object taken(self, CFTypeRef value):
        """The Python object for one that the HAL has given, with a reference, to the caller."""
        try:
            return self.python(value, 0)
        finally:
            self.release(value)

    cdef bint is_a(self, CFTypeRef value, str kind) except -1:
        cdef CFGetTypeID_fn type_of = <CFGetTypeID_fn>self.library.find("CFGetTypeID")
        cdef CFStringGetTypeID_fn wanted
        cdef bint same
        wanted = <CFStringGetTypeID_fn>self.library.find(f"{kind}GetTypeID")
        with nogil:
            same = type_of(value) == wanted()
        return same

    cdef object python(self, CFTypeRef value, int depth):
        """None stands for a kind of object that has no counterpart, and for too deep nesting."""
        if value == NULL or depth > MAX_DEPTH:
            return None
        if self.is_a(value, "CFString"):
            return self.library.text(value)
        if self.is_a(value, "CFNumber"):
            return self.number(value)
        if self.is_a(value, "CFBoolean"):
            return (<CFBooleanGetValue_fn>self.library.find("CFBooleanGetValue"))(value) != 0
        if self.is_a(value, "CFArray"):
            return self.array(value, depth)
        if self.is_a(value, "CFDictionary"):
            return self.dictionary(value, depth)
        if self.is_a(value, "CFData"):
            return self.data(value)
        return self.path(value)

    cdef object number(self, CFTypeRef value):
        cdef CFNumberGetType_fn type_of = <CFNumberGetType_fn>self.library.find("CFNumberGetType")
        cdef CFNumberGetValue_fn get = <CFNumberGetValue_fn>self.library.find("CFNumberGetValue")
        cdef int64_t whole = 0
        cdef double real = 0
        if FLOAT_NUMBERS >> type_of(value) & 1:
            get(value, kCFNumberFloat64Type, &real)
            return real
        get(value, kCFNumberSInt64Type, &whole)
        return whole

    cdef object array(self, CFTypeRef value, int depth):
        cdef CFArrayGetCount_fn count = <CFArrayGetCount_fn>self.library.find("CFArrayGetCount")
        cdef CFArrayGetValueAtIndex_fn item
        cdef long index
        item = <CFArrayGetValueAtIndex_fn>self.library.find("CFArrayGetValueAtIndex")
        return [self.python(item(value, index), depth + 1) for index in range(count(value))]

    cdef object dictionary(self, CFTypeRef value, int depth):
        cdef CFArrayGetCount_fn count
        cdef CFDictionaryGetKeysAndValues_fn items
        cdef const void **memory
        cdef long number, index
        count = <CFArrayGetCount_fn>self.library.find("CFDictionaryGetCount")
        items = <CFDictionaryGetKeysAndValues_fn>self.library.find("CFDictionaryGetKeysAndValues")
        number = count(value)
        memory = <const void **>PyMem_Calloc(2 * number + 1, sizeof(void *))
        if memory == NULL:
            raise MemoryError
        try:
            items(value, memory, memory + number)
            return {
                self.python(memory[index], depth + 1): self.python(memory[number + index], depth + 1)
                for index in range(number)
                if self.is_a(memory[index], "CFString")
            }
        finally:
            PyMem_Free(memory)

    cdef object data(self, CFTypeRef value):
        cdef CFArrayGetCount_fn count = <CFArrayGetCount_fn>self.library.find("CFDataGetLength")
        cdef CFDataGetBytePtr_fn start = <CFDataGetBytePtr_fn>self.library.find("CFDataGetBytePtr")
        return PyBytes_FromStringAndSize(<const char *>start(value), count(value))

    cdef object path(self, CFTypeRef value):
        """The path of a CFURL that names a file."""
        cdef CFURLGetFileSystemRepresentation_fn get
        cdef CFGetTypeID_fn type_of = <CFGetTypeID_fn>self.library.find("CFGetTypeID")
        cdef bytes memory = bytes(MAX_PATH_BYTES)
        cdef unsigned char *at = <unsigned char *>PyBytes_AS_STRING(memory)
        cdef bint done
        if type_of(value) != self.url_type():
            return None
        get = <CFURLGetFileSystemRepresentation_fn>self.library.find(
            "CFURLGetFileSystemRepresentation")
        with nogil:
            done = get(value, 1, at, MAX_PATH_BYTES)
        return memory.split(b"\0", 1)[0].decode("utf-8", "surrogateescape") if done else None

    cdef unsigned long url_type(self) except? 0:
        """The type ID of CFURL, taken from a CFURL."""
        cdef CFGetTypeID_fn type_of = <CFGetTypeID_fn>self.library.find("CFGetTypeID")
        cdef CFURLCreate_fn create
        cdef CFTypeRef url
        cdef unsigned long found
        create = <CFURLCreate_fn>self.library.find("CFURLCreateFromFileSystemRepresentation")
        url = self.checked(create(NULL, <const unsigned char *>"/", 1, 1))
        found = type_of(url)
        self.release(url)
        return found

    # ---- from Python to CoreFoundation ----

    cdef CFTypeRef make(self, value) except NULL:
        """A CoreFoundation object for a str, bool, int, float, list or dict. Release it."""
        if isinstance(value, str):
            return self.make_string(value)
        if isinstance(value, (bool, int)):
            return self.make_number(int(value), 0.0, True)
        if isinstance(value, float):
            return self.make_number(0, value, False)
        if isinstance(value, dict):
            return self.make_dictionary(value)
        if isinstance(value, (list, tuple)):
            return self.make_array(value)
        raise TypeError(f"{value!r} is no str, int, float, list or dict")

    cdef CFTypeRef checked(self, CFTypeRef made) except NULL:
        if made == NULL:
            raise MemoryError("CoreFoundation has no memory")
        return made

    cdef CFTypeRef make_string(self, str value) except NULL:
        cdef CFStringCreateWithBytes_fn create
        cdef bytes text = value.encode("utf-8", "replace")
        create = <CFStringCreateWithBytes_fn>self.library.find("CFStringCreateWithBytes")
        return self.checked(create(
            NULL, <unsigned char *>PyBytes_AS_STRING(text), len(text), kCFStringEncodingUTF8, 0))

    cdef CFTypeRef make_number(self, int64_t whole, double real, bint is_whole) except NULL:
        cdef CFNumberCreate_fn create = <CFNumberCreate_fn>self.library.find("CFNumberCreate")
        cdef int32_t small = <int32_t>whole
        if not is_whole:
            return self.checked(create(NULL, kCFNumberFloat64Type, &real))
        if small == whole:
            return self.checked(create(NULL, kCFNumberSInt32Type, &small))
        return self.checked(create(NULL, kCFNumberSInt64Type, &whole))

    cdef CFTypeRef make_array(self, values) except NULL:
        cdef CFArrayCreateMutable_fn create
        cdef CFArrayAppendValue_fn append
        cdef CFTypeRef made, item
        create = <CFArrayCreateMutable_fn>self.library.find("CFArrayCreateMutable")
        append = <CFArrayAppendValue_fn>self.library.find("CFArrayAppendValue")
        made = self.checked(create(NULL, 0, self.library.find("kCFTypeArrayCallBacks")))
        try:
            for value in values:
                item = self.make(value)
                append(made, item)
                self.release(item)
        except BaseException:
            self.release(made)
            raise
        return made

    cdef CFTypeRef make_dictionary(self, dict values) except NULL:
        cdef CFDictionaryCreateMutable_fn create
        cdef CFDictionarySetValue_fn put
        cdef CFTypeRef made, key, item
        create = <CFDictionaryCreateMutable_fn>self.library.find("CFDictionaryCreateMutable")
        put = <CFDictionarySetValue_fn>self.library.find("CFDictionarySetValue")
        made = self.checked(create(
            NULL, 0, self.library.find("kCFTypeDictionaryKeyCallBacks"),
            self.library.find("kCFTypeDictionaryValueCallBacks")))
        try:
            for name, value in values.items():
                key = self.make_string(name)
                try:
                    item = self.make(value)
                    put(made, key, item)
                    self.release(item)
                finally:
                    self.release(key)
        except BaseException:
            self.release(made)
            raise
        return made
