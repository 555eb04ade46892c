// Has the kernel run a program on frames that leave for good (BPF_F_TEST_XDP_LIVE_FRAMES). Before and after each such call the kernel patches its own text
// and waits for every processor (kernel/bpf/dispatcher.c), tens of milliseconds in which nothing leaves: so one call lasts as long as is sent.
#include "bench.h"
#include <signal.h>
#include <sys/time.h>

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif
#define BATCH 64
// As good as without end; the kernel's counter of them is signed.
#define FRAMES (1 << 30)

static void on_alarm(int number)
{
    (void)number;
}

double emit(struct bpf_program *program, void *frame, uint32_t bytes, double seconds)
{
    // Without SA_RESTART: the signal ends the call. Again each tenth of a second, in case that one comes while no call runs.
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_interval = {.tv_usec = 100000}};
    timer.it_value.tv_sec = (time_t)seconds;
    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6) + 1;
    struct xdp_md context = {.data_end = bytes, .ingress_ifindex = device("lo")};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = bytes, .ctx_in = &context, .ctx_size_in = sizeof context,
        .repeat = FRAMES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    uint64_t began = nanoseconds(), until = began + (uint64_t)(seconds * 1e9);
    do {
        int error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
        if (error && error != -EINTR) {
            give_up("sending frames", error);
        }
    } while (nanoseconds() < until && !stopped());

    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    return (double)(nanoseconds() - began) / 1e9;
}
