// Stands in the place of libbpf's header: what the kernel does for the XDP programs, done by dissector.c with a fuzzer's choices.
#ifndef FUZZ_BPF_HELPERS_H
#define FUZZ_BPF_HELPERS_H
#include <linux/bpf.h>

#define SEC(name)
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __ksym
#define __weak __attribute__((weak))
#define __uint(name, value) int (*name)[value]
#define __type(name, type) type *name

long fuzz_buffer_length(void);
long fuzz_adjust_meta(struct xdp_md *context, int delta);
__u64 fuzz_time(void);
void *fuzz_lookup(const void *key, unsigned long key_size, unsigned long value_size);
long fuzz_load_bytes(__u32 offset, void *to, __u32 length);

#define bpf_xdp_get_buff_len(context) ((void)(context), fuzz_buffer_length())
#define bpf_xdp_adjust_meta(context, delta) fuzz_adjust_meta(context, delta)
#define bpf_check_mtu(context, device, mtu, difference, flags) ((void)(context), *(mtu) = 9000, 0)
#define bpf_ktime_get_ns() fuzz_time()
#define bpf_map_lookup_elem(map, sought) fuzz_lookup(sought, sizeof *(map)->key, sizeof *(map)->value)
#define bpf_redirect_map(map, slot, flags) ((void)(map), (void)(slot), (long)(flags) == 2 ? 4 : 0)
#define bpf_skb_load_bytes(packet, offset, to, length) ((void)(packet), fuzz_load_bytes(offset, to, length))
#define bpf_sk_select_reuseport(datagram, map, place, flags) ((void)(datagram), (void)(map), (void)*(place))
#endif
