/* objc.c: the runtime of Objective-C: classes, selectors and messages.
 *
 * objc_msgSend is written in assembly, because it must pass on all registers of the arguments as
 * they are: it finds the function of the method, which is a C function of the method's own type,
 * and jumps to it. A client that passes an argument of a wrong type fails as on a Mac. */
#include "objc.h"

struct selector {
    struct selector *next;
    char name[];
};

#define CLASS(index, parent, name, since)                                                          \
    [index] = {{.type = CF_CLASS, .immortal = true}, name, index, parent, false, since}
static const struct objc_class classes[CLASS_COUNT] = {
    CLASS(NS_OBJECT, NO_CLASS, "NSObject", 1000),
    CLASS(NS_STRING, NS_OBJECT, "NSString", 1000),
    CLASS(NS_ARRAY, NS_OBJECT, "NSArray", 1000),
    CLASS(NS_MUTABLE_ARRAY, NS_ARRAY, "NSMutableArray", 1000),
    CLASS(NS_NUMBER, NS_OBJECT, "NSNumber", 1000),
    CLASS(NS_DICTIONARY, NS_OBJECT, "NSDictionary", 1000),
    CLASS(NS_MUTABLE_DICTIONARY, NS_DICTIONARY, "NSMutableDictionary", 1000),
    CLASS(NS_UUID, NS_OBJECT, "NSUUID", 1000),
    CLASS(NS_AUTORELEASE_POOL, NS_OBJECT, "NSAutoreleasePool", 1000),
    CLASS(CA_TAP_DESCRIPTION, NS_OBJECT, "CATapDescription", 1200),
};
#undef CLASS
/* The classes of the class objects, whose methods are the + methods. */
static struct objc_class metas[CLASS_COUNT];

static objc_method *const tables[] = {object_methods, foundation_methods, collection_methods,
                                      tap_description_methods};
enum { TABLES = sizeof tables / sizeof tables[0] };

/* ---- selectors ---- */

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static struct selector *selectors;

EXPORT SEL sel_registerName(const char *name) {
    if (name == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&names_lock);
    struct selector *s = selectors;
    while (s != NULL && strcmp(s->name, name) != 0) {
        s = s->next;
    }
    if (s == NULL) {
        s = malloc(sizeof *s + strlen(name) + 1);
        strcpy(s->name, name);
        s->next = selectors;
        selectors = s;
    }
    pthread_mutex_unlock(&names_lock);
    return s;
}

EXPORT SEL sel_getUid(const char *name) { return sel_registerName(name); }
EXPORT const char *sel_getName(SEL s) { return s != NULL ? s->name : "<null selector>"; }
EXPORT signed char sel_isEqual(SEL a, SEL b) { return a == b; }

/* ---- classes ---- */

__attribute__((constructor)) static void prepare(void) {
    memcpy(metas, classes, sizeof metas);
    for (int i = 0; i < CLASS_COUNT; i++) {
        metas[i].is_meta = true;
    }
    for (int t = 0; t < TABLES; t++) {
        for (objc_method *m = tables[t]; m->name != NULL; m++) {
            m->selector = sel_registerName(m->name);
        }
    }
}

EXPORT Class objc_getClass(const char *name) {
    for (int i = 0; name != NULL && i < CLASS_COUNT; i++) {
        if (strcmp(classes[i].name, name) == 0) {
            return classes[i].since <= sim_macos() ? &classes[i] : NULL;
        }
    }
    return NULL;
}
EXPORT Class objc_lookUpClass(const char *name) { return objc_getClass(name); }
EXPORT Class objc_getMetaClass(const char *name) {
    Class c = objc_getClass(name);
    return c != NULL ? &metas[c->index] : NULL;
}

static enum objc_class_index index_of(const cf_object *o) {
    switch (o->type) {
    case CF_STRING:
        return NS_STRING;
    case CF_ARRAY:
        return NS_MUTABLE_ARRAY;
    case CF_NUMBER:
    case CF_BOOLEAN:
        return NS_NUMBER;
    case CF_DICTIONARY:
        return NS_MUTABLE_DICTIONARY;
    case CF_NSUUID:
        return NS_UUID;
    case CF_TAP_DESCRIPTION:
        return CA_TAP_DESCRIPTION;
    case CF_POOL:
        return NS_AUTORELEASE_POOL;
    default:
        return NS_OBJECT;
    }
}

typedef struct placeholder {
    cf_object head;
    Class of;
} placeholder;

EXPORT Class object_getClass(id object) {
    const cf_object *o = object;
    if (o == NULL) {
        return NULL;
    }
    if (o->type == CF_CLASS) {
        return &metas[((Class)object)->index];
    }
    return o->type == CF_ALLOCATED ? ((const placeholder *)object)->of : &classes[index_of(o)];
}
EXPORT const char *class_getName(Class c) { return c != NULL ? c->name : "nil"; }
EXPORT const char *object_getClassName(id object) { return class_getName(object_getClass(object)); }
EXPORT Class class_getSuperclass(Class c) {
    if (c == NULL || (c->parent == NO_CLASS && !c->is_meta)) {
        return NULL;
    }
    if (c->parent == NO_CLASS) {
        return &classes[NS_OBJECT]; /* of the root's metaclass */
    }
    return c->is_meta ? &metas[c->parent] : &classes[c->parent];
}
EXPORT signed char class_isMetaClass(Class c) { return c != NULL && c->is_meta; }

bool objc_is(id object, enum objc_class_index index) {
    Class c = object_getClass(object);
    while (c != NULL && (c->is_meta || c->index != index)) {
        c = class_getSuperclass(c);
    }
    return c != NULL;
}

static const objc_method *find(Class c, SEL selector) {
    int macos = sim_macos();
    for (; c != NULL && selector != NULL; c = class_getSuperclass(c)) {
        for (int t = 0; t < TABLES; t++) {
            for (const objc_method *m = tables[t]; m->name != NULL; m++) {
                if (m->selector == selector && m->of == c->index && m->on_class == c->is_meta &&
                    m->since <= macos) {
                    return m;
                }
            }
        }
    }
    return NULL;
}

EXPORT signed char class_respondsToSelector(Class c, SEL selector) {
    return find(c, selector) != NULL;
}
EXPORT const objc_method *class_getInstanceMethod(Class c, SEL selector) {
    return find(c, selector);
}
EXPORT const objc_method *class_getClassMethod(Class c, SEL selector) {
    return c != NULL ? find(&metas[c->index], selector) : NULL;
}
EXPORT SEL method_getName(const objc_method *m) { return m->selector; }
EXPORT objc_imp method_getImplementation(const objc_method *m) { return m ? m->imp : NULL; }

/* ---- messages ---- */

static id answer_nil(void) { return NULL; }

id objc_exception(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report_fault(CN_fault_message, "%s (an exception on a Mac)", text);
    return NULL;
}

/* Returns the function of a method. */
objc_imp sim_objc_find(id self, SEL selector) {
    const cf_object *o = self;
    sim_realtime_violation("objc_msgSend");
    if (!o->immortal && !cf_is(o, o->type)) {
        report_fault(CN_fault_over_release, "[%p %s]: the object was released for good", self,
                     sel_getName(selector));
        return (objc_imp)answer_nil;
    }
    Class c = object_getClass(self);
    const objc_method *m = find(c, selector);
    if (m == NULL) {
        objc_exception("%c[%s %s]: unrecognized selector", c->is_meta ? '+' : '-', c->name,
                       sel_getName(selector));
        return (objc_imp)answer_nil;
    }
    return m->imp;
}

EXPORT objc_imp class_getMethodImplementation(Class c, SEL selector) {
    const objc_method *m = find(c, selector);
    return m != NULL ? m->imp : (objc_imp)answer_nil;
}

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl objc_msgSend\n"
        ".type objc_msgSend, @function\n"
        "objc_msgSend:\n"
        "    testq %rdi, %rdi\n"
        "    je 1f\n"
        "    pushq %rbp\n"
        "    movq %rsp, %rbp\n"
        "    subq $192, %rsp\n"
        "    movq %rdi, 0(%rsp)\n"
        "    movq %rsi, 8(%rsp)\n"
        "    movq %rdx, 16(%rsp)\n"
        "    movq %rcx, 24(%rsp)\n"
        "    movq %r8, 32(%rsp)\n"
        "    movq %r9, 40(%rsp)\n"
        "    movq %rax, 48(%rsp)\n"
        "    movaps %xmm0, 64(%rsp)\n"
        "    movaps %xmm1, 80(%rsp)\n"
        "    movaps %xmm2, 96(%rsp)\n"
        "    movaps %xmm3, 112(%rsp)\n"
        "    movaps %xmm4, 128(%rsp)\n"
        "    movaps %xmm5, 144(%rsp)\n"
        "    movaps %xmm6, 160(%rsp)\n"
        "    movaps %xmm7, 176(%rsp)\n"
        "    call sim_objc_find\n"
        "    movq %rax, %r11\n"
        "    movq 0(%rsp), %rdi\n"
        "    movq 8(%rsp), %rsi\n"
        "    movq 16(%rsp), %rdx\n"
        "    movq 24(%rsp), %rcx\n"
        "    movq 32(%rsp), %r8\n"
        "    movq 40(%rsp), %r9\n"
        "    movq 48(%rsp), %rax\n"
        "    movaps 64(%rsp), %xmm0\n"
        "    movaps 80(%rsp), %xmm1\n"
        "    movaps 96(%rsp), %xmm2\n"
        "    movaps 112(%rsp), %xmm3\n"
        "    movaps 128(%rsp), %xmm4\n"
        "    movaps 144(%rsp), %xmm5\n"
        "    movaps 160(%rsp), %xmm6\n"
        "    movaps 176(%rsp), %xmm7\n"
        "    leave\n"
        "    jmp *%r11\n"
        "1:  xorl %eax, %eax\n" /* a message to nil answers 0 of any type */
        "    xorl %edx, %edx\n"
        "    xorps %xmm0, %xmm0\n"
        "    xorps %xmm1, %xmm1\n"
        "    ret\n"
        ".size objc_msgSend, .-objc_msgSend\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl objc_msgSend\n"
        ".type objc_msgSend, %function\n"
        "objc_msgSend:\n"
        "    cbz x0, 1f\n"
        "    stp x29, x30, [sp, #-224]!\n"
        "    mov x29, sp\n"
        "    stp x0, x1, [sp, #16]\n"
        "    stp x2, x3, [sp, #32]\n"
        "    stp x4, x5, [sp, #48]\n"
        "    stp x6, x7, [sp, #64]\n"
        "    str x8, [sp, #80]\n"
        "    stp q0, q1, [sp, #96]\n"
        "    stp q2, q3, [sp, #128]\n"
        "    stp q4, q5, [sp, #160]\n"
        "    stp q6, q7, [sp, #192]\n"
        "    bl sim_objc_find\n"
        "    mov x16, x0\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x2, x3, [sp, #32]\n"
        "    ldp x4, x5, [sp, #48]\n"
        "    ldp x6, x7, [sp, #64]\n"
        "    ldr x8, [sp, #80]\n"
        "    ldp q0, q1, [sp, #96]\n"
        "    ldp q2, q3, [sp, #128]\n"
        "    ldp q4, q5, [sp, #160]\n"
        "    ldp q6, q7, [sp, #192]\n"
        "    ldp x29, x30, [sp], #224\n"
        "    br x16\n"
        "1:  mov x0, #0\n"
        "    mov x1, #0\n"
        "    movi v0.2d, #0\n"
        "    movi v1.2d, #0\n"
        "    ret\n"
        ".size objc_msgSend, .-objc_msgSend\n");
#else
EXPORT id objc_msgSend(id self, SEL selector, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d) {
    typedef id (*any)(id, SEL, uintptr_t, uintptr_t, uintptr_t, uintptr_t);
    return self == NULL ? NULL : ((any)sim_objc_find(self, selector))(self, selector, a, b, c, d);
}
#endif

/* ---- objects without init ---- */

id objc_new_placeholder(Class c) {
    placeholder *p = cf_new(CF_ALLOCATED, sizeof *p, NULL);
    p->of = c;
    return p;
}
void objc_take_placeholder(id self) {
    if (((const cf_object *)self)->type == CF_ALLOCATED) {
        CFRelease(self);
    }
}
