/* blocks.c: copies, releases and calls Objective-C blocks. The layout of blocks is public. */
#include "world.h"

struct descriptor {
    unsigned long reserved, size;
    void (*copy)(void *destination, const void *source); /* only if has_helpers is set */
    void (*dispose)(const void *source);
};
struct literal {
    void *isa;
    int flags, reserved;
    void (*invoke)(void *, ...);
    struct descriptor *descriptor;
};
enum { is_global = 1 << 28, has_helpers = 1 << 25 };

/* A copy of a block: a reference count, followed by the literal. */
struct copy {
    _Atomic int64_t count;
    int64_t padding;
    struct literal literal;
};
static const int mark = 0x51b0; /* value of `reserved` in copies made here */

static struct copy *copy_of(const struct literal *l) {
    return (struct copy *)(void *)((char *)(uintptr_t)l - offsetof(struct copy, literal));
}

const void *block_copy(const void *block) {
    const struct literal *l = block;
    if ((l->flags & is_global) != 0) {
        return l;
    }
    if (l->reserved == mark) {
        copy_of(l)->count++;
        return l;
    }
    struct copy *c = malloc(offsetof(struct copy, literal) + l->descriptor->size);
    c->count = 1;
    memcpy(&c->literal, l, l->descriptor->size);
    c->literal.reserved = mark;
    if ((l->flags & has_helpers) != 0) {
        l->descriptor->copy(&c->literal, l);
    }
    COUNT(live_blocks);
    return &c->literal;
}

void block_release(const void *block) {
    const struct literal *l = block;
    if ((l->flags & is_global) != 0 || l->reserved != mark) {
        return;
    }
    struct copy *c = copy_of(l);
    if (--c->count == 0) {
        if ((l->flags & has_helpers) != 0) {
            l->descriptor->dispose(l);
        }
        UNCOUNT(live_blocks);
        free(c);
    }
}

void *block_invoke(const void *block) {
    void *address;
    memcpy(&address, &((const struct literal *)block)->invoke, sizeof address);
    return address;
}

EXPORT void *_Block_copy(const void *aBlock) {
    return aBlock == NULL ? NULL : (void *)(uintptr_t)block_copy(aBlock);
}

EXPORT void _Block_release(const void *aBlock) {
    if (aBlock != NULL) {
        block_release(aBlock);
    }
}
