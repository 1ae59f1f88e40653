/* A ring of bytes between one writer and one reader. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define RING_SMALLEST 16

struct ring {
    uint8_t *bytes;
    size_t size; /* a power of two */
    size_t read;
    size_t written;
};

static size_t power_of_two(size_t wanted)
{
    size_t size = RING_SMALLEST;

    while (size < wanted)
        size *= 2;
    return size;
}

struct ring *ring_new(size_t wanted)
{
    struct ring *ring = malloc(sizeof(*ring));

    if (!ring)
        return NULL;

    ring->size = power_of_two(wanted);
    ring->bytes = malloc(ring->size);
    if (!ring->bytes) {
        free(ring);
        return NULL;
    }
    ring->read = 0;
    ring->written = 0;
    return ring;
}

void ring_free(struct ring *ring)
{
    if (ring) {
        free(ring->bytes);
        free(ring);
    }
}

size_t ring_used(const struct ring *ring)
{
    return ring->written - ring->read;
}

int ring_write(struct ring *ring, const void *data, size_t count)
{
    const uint8_t *from = data;
    size_t at, first;

    if (count > ring->size - ring_used(ring))
        return -ENOSPC;

    at = ring->written & (ring->size - 1);
    first = ring->size - at;
    if (first > count)
        first = count;
    memcpy(ring->bytes + at, from, first);
    memcpy(ring->bytes, from + first, count - first);
    ring->written += count;
    return 0;
}

size_t ring_read(struct ring *ring, void *data, size_t most)
{
    uint8_t *into = data;
    size_t count = ring_used(ring);
    size_t i;

    if (count > most)
        count = most;
    for (i = 0; i < count; i++) {
        size_t at = (ring->read + i) & (ring->size - 1);
        into[i] = ring->bytes[at];
    }
    ring->read += count;
    return count;
}

const char *ring_problem(int code)
{
    switch (code) {
    case 0:
        return "nothing is wrong";
    case -ENOSPC:
        return "the ring is full";
    case -EINVAL:
        return "that is no ring";
    default:
        return "something else is wrong";
    }
}
