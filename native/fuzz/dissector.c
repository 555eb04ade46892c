// Runs the XDP programs on frames from standard input, under AddressSanitizer and UBSan. A request is a length (4 bytes), a program (1), whether there is room
// in front of the frame (1), two bytes without meaning, the seed of what maps answer (8), and the frame; an answer is the verdict (4), whether the frame is
// as it was (4), and what stands in front of it (48). Built by native/fuzz/build, which makes one object of each program.
#include <linux/bpf.h>
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY (1 << 17)
#define META 48
#define ROOM 256

int dissect(struct xdp_md *context);
int outer(struct xdp_md *context);
int inner(struct xdp_md *context);
int select_queue(struct __sk_buff *packet);
int select_socket(struct sk_reuseport_md *datagram);

static uint8_t *frame;
static uint32_t frame_length;
static int room;
static uint64_t state;
static void *values[64];
static int used;

static uint64_t next_number(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

long fuzz_buffer_length(void)
{
    return frame_length;
}

long fuzz_adjust_meta(struct xdp_md *context, int delta)
{
    if (!room || delta != -META)
        return -1;
    __asan_unpoison_memory_region(frame - META, META);
    context->data_meta = context->data - META;
    return 0;
}

uint64_t fuzz_time(void)
{
    return next_number() >> 2;
}

// A value of its own for each lookup, so that a byte too far is found; or none.
void *fuzz_lookup(const void *key, unsigned long key_size, unsigned long value_size)
{
    static volatile uint8_t sum;
    for (unsigned long i = 0; i < key_size; i++)
        sum += ((const uint8_t *)key)[i];
    uint64_t choice = next_number();
    if (choice % 4 == 0 || used == sizeof values / sizeof values[0])
        return NULL;
    uint8_t *value = calloc(1, value_size);
    // Of a large table the beginning will do.
    for (unsigned long i = 0; i < value_size && i < 1024; i++)
        // Small numbers mostly: they are flags, sizes and indices.
        value[i] = choice % 4 == 1 ? (uint8_t)next_number() : i % 4 == 0 ? (uint8_t)(next_number() % 8) : 0;
    if (choice % 4 == 2 && value_size == 8 && frame_length >= 6)
        memcpy(value, frame, 6);
    values[used++] = value;
    return value;
}

long fuzz_load_bytes(uint32_t offset, void *to, uint32_t length)
{
    if (offset > frame_length || length > frame_length - offset)
        return -1;
    memcpy(to, frame + offset, length);
    return 0;
}

static int take(void *to, size_t length)
{
    for (uint8_t *at = to; length > 0;) {
        ssize_t got = read(0, at, length);
        if (got <= 0)
            return 0;
        at += got;
        length -= (size_t)got;
    }
    return 1;
}

int main(void)
{
    // The programs keep addresses in 32 bits.
    uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    uint8_t *copy = malloc(MEMORY);
    uint8_t header[16];
    if (memory == MAP_FAILED || copy == NULL)
        return 1;
    while (take(header, sizeof header)) {
        memcpy(&frame_length, header, 4);
        memcpy(&state, header + 8, 8);
        if (frame_length > MEMORY - 2 * ROOM)
            return 1;
        room = header[5];
        frame = memory + ROOM;
        __asan_unpoison_memory_region(memory, MEMORY);
        if (!take(frame, frame_length))
            return 1;
        memcpy(copy, frame, frame_length);
        __asan_poison_memory_region(memory, MEMORY);
        __asan_unpoison_memory_region(frame, frame_length);
        struct xdp_md context = {.data = (uint32_t)(uintptr_t)frame, .data_end = (uint32_t)(uintptr_t)frame + frame_length, .rx_queue_index = (uint32_t)next_number() % 80};
        struct __sk_buff packet = {.len = frame_length};
        struct sk_reuseport_md datagram = {.len = frame_length, .eth_protocol = header[5] ? 0xDD86 : 0x0008};
        context.data_meta = context.data;
        uint32_t answer[2];
        switch (header[4]) {
        case 0:
            answer[0] = (uint32_t)dissect(&context);
            break;
        case 1:
            answer[0] = (uint32_t)outer(&context);
            break;
        case 2:
            answer[0] = (uint32_t)inner(&context);
            break;
        case 3:
            answer[0] = (uint32_t)select_queue(&packet);
            break;
        default:
            answer[0] = (uint32_t)select_socket(&datagram);
            break;
        }
        answer[1] = memcmp(copy, frame, frame_length) == 0;
        __asan_unpoison_memory_region(memory, MEMORY);
        if (write(1, answer, sizeof answer) != sizeof answer || write(1, frame - META, META) != META)
            return 1;
        while (used > 0)
            free(values[--used]);
    }
    return 0;
}
