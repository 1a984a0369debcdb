/* objects.c: object IDs. Each new object gets a larger ID, and no ID is used twice. */
#include "world.h"

void object_add(object *o, enum object_kind kind, AudioClassID class_id, AudioClassID base,
                object *owner, device *d) {
    if (world.object_next == 0) {
        world.object_next = 1;
    }
    if (world.object_next >= world.object_room) {
        world.object_room = world.object_room ? world.object_room * 2 : 256;
        world.objects = realloc(world.objects, world.object_room * sizeof *world.objects);
        world.objects[0] = NULL;
    }
    *o = (object){.id = (AudioObjectID)world.object_next,
                  .kind = kind,
                  .class_id = class_id,
                  .base_class_id = base,
                  .owner = owner,
                  .device = d,
                  .alive = true};
    world.objects[world.object_next++] = o;
}

object *object_even_dead(AudioObjectID id) {
    return id == 0 || id >= world.object_next ? NULL : world.objects[id];
}

object *object_find(AudioObjectID id) {
    object *o = object_even_dead(id);
    return o != NULL && o->alive ? o : NULL;
}

size_t objects_owned(const object *owner, object **list, size_t limit) {
    size_t n = 0;
    for (size_t id = 1; id < world.object_next && n < limit; id++) {
        if (world.objects[id]->alive && world.objects[id]->owner == owner) {
            list[n++] = world.objects[id];
        }
    }
    return n;
}

device *device_even_dead(AudioObjectID id) {
    object *o = object_even_dead(id);
    return o != NULL && o->kind == DEVICE ? o->device : NULL;
}

device *device_find(AudioObjectID id) {
    device *d = device_even_dead(id);
    return d != NULL && d->o.alive ? d : NULL;
}
