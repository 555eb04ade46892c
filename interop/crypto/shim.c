/* The native libraries behind one call a batch, as our engines have it: bursts of packets with WireGuard's nonce and no associated data.
 * Each function seals or opens COUNT jobs and returns how many went wrong. Built by interop/crypto/bench, loaded by the benchmark. */
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The layout of NativeJob in the benchmark. */
struct job {
	const uint8_t *source;
	uint8_t *destination;
	const uint8_t *key;
	uint64_t counter;
	uint64_t length;
};

enum { TAG = 16, LARGEST_BATCH = 64 };

static void nonce_of(uint8_t nonce[12], uint64_t counter)
{
	memset(nonce, 0, 4);
	memcpy(nonce + 4, &counter, 8);
}

int sodium_batch(const struct job *jobs, int count, int sealing)
{
	int wrong = 0;
	for (int i = 0; i < count; i++) {
		const struct job *j = &jobs[i];
		uint8_t nonce[12];
		nonce_of(nonce, j->counter);
		if (sealing)
			crypto_aead_chacha20poly1305_ietf_encrypt(j->destination, NULL, j->source, j->length, NULL, 0, NULL, nonce, j->key);
		else
			wrong += crypto_aead_chacha20poly1305_ietf_decrypt(j->destination, NULL, NULL, j->source, j->length + TAG, NULL, 0, nonce,
									   j->key) != 0;
	}
	return wrong;
}

/* One context a direction. */
static EVP_CIPHER_CTX *contexts[2];

int openssl_batch(const struct job *jobs, int count, int sealing)
{
	int wrong = 0;
	EVP_CIPHER_CTX *context = contexts[sealing];
	const uint8_t *last = NULL;
	for (int i = 0; i < count; i++) {
		const struct job *j = &jobs[i];
		uint8_t nonce[12];
		int length = 0;
		nonce_of(nonce, j->counter);
		/* Within a batch the key is given again only when it changes, which is the fastest way that the library has. */
		const uint8_t *key = last == j->key ? NULL : j->key;
		last = j->key;
		EVP_CipherInit_ex(context, NULL, NULL, key, nonce, sealing);
		if (!sealing)
			EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, (void *)(j->source + j->length));
		EVP_CipherUpdate(context, j->destination, &length, j->source, (int)j->length);
		wrong += EVP_CipherFinal_ex(context, j->destination + length, &length) != 1;
		if (sealing)
			EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, j->destination + j->length);
	}
	return wrong;
}

static uint8_t nonces[LARGEST_BATCH][12];
static uint8_t tags[LARGEST_BATCH][TAG];

static void fill(IMB_JOB *to, const struct job *j, int at, int sealing)
{
	nonce_of(nonces[at], j->counter);
	to->cipher_direction = sealing ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	to->chain_order = sealing ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	to->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	to->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	to->enc_keys = to->dec_keys = j->key;
	to->key_len_in_bytes = 32;
	to->u.CHACHA20_POLY1305.aad = NULL;
	to->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	to->src = j->source;
	to->dst = j->destination;
	to->iv = nonces[at];
	to->iv_len_in_bytes = 12;
	to->msg_len_to_cipher_in_bytes = to->msg_len_to_hash_in_bytes = j->length;
	to->cipher_start_src_offset_in_bytes = to->hash_start_src_offset_in_bytes = 0;
	to->auth_tag_output = sealing ? j->destination + j->length : tags[at];
	to->auth_tag_output_len_in_bytes = TAG;
}

static int compare(const struct job *jobs, int count)
{
	int wrong = 0;
	for (int i = 0; i < count; i++)
		wrong += CRYPTO_memcmp(tags[i], jobs[i].source + jobs[i].length, TAG) != 0;
	return wrong;
}

/* ipsec-mb one job after the other. */
int imb_job_batch(IMB_MGR *mgr, const struct job *jobs, int count, int sealing)
{
	int done = 0;
	for (int i = 0; i < count; i++) {
		IMB_JOB *job = IMB_GET_NEXT_JOB(mgr);
		fill(job, &jobs[i], i, sealing);
		for (job = IMB_SUBMIT_JOB_NOCHECK(mgr); job != NULL; job = IMB_GET_COMPLETED_JOB(mgr))
			done += job->status == IMB_STATUS_COMPLETED;
	}
	for (IMB_JOB *job; (job = IMB_FLUSH_JOB(mgr)) != NULL;)
		done += job->status == IMB_STATUS_COMPLETED;
	return count - done + (sealing ? 0 : compare(jobs, count));
}

/* ipsec-mb a burst at a time. */
int imb_burst_batch(IMB_MGR *mgr, const struct job *jobs, int count, int sealing)
{
	IMB_JOB *list[LARGEST_BATCH];
	int got = (int)IMB_GET_NEXT_BURST(mgr, (uint32_t)count, list);
	if (got < count) {
		while (IMB_FLUSH_BURST(mgr, LARGEST_BATCH, list) != 0)
			;
		got = (int)IMB_GET_NEXT_BURST(mgr, (uint32_t)count, list);
	}
	for (int i = 0; i < got; i++)
		fill(list[i], &jobs[i], i, sealing);
	int done = (int)IMB_SUBMIT_BURST_NOCHECK(mgr, (uint32_t)got, list);
	while (done < got) {
		int more = (int)IMB_FLUSH_BURST(mgr, (uint32_t)(got - done), list);
		if (more == 0)
			break;
		done += more;
	}
	return count - done + (sealing ? 0 : compare(jobs, count));
}

/* arch: 0 the best of the processor, 1 AVX-512 without IFMA, 2 AVX2. For 1 the library has no flag: without GFNI it takes its older forms, and its
 * Poly1305 asks the manager's features again at each call. */
IMB_MGR *imb_open(int arch)
{
	IMB_MGR *mgr = alloc_mb_mgr(arch == 1 ? IMB_FLAG_GFNI_OFF : 0);
	if (mgr == NULL)
		return NULL;
	if (arch == 0)
		init_mb_mgr_auto(mgr, NULL);
	else if (arch == 1)
		init_mb_mgr_avx512(mgr);
	else
		init_mb_mgr_avx2(mgr);
	if (arch == 1)
		mgr->features &= ~IMB_FEATURE_AVX512_IFMA;
	return imb_get_errno(mgr) == 0 ? mgr : NULL;
}

/* Writes what is compared, one line. */
void describe(IMB_MGR *mgr, char *text, int size)
{
	static const char *const names[] = {"none", "no AES-NI", "SSE", "AVX", "AVX2", "AVX512"};
	snprintf(text, (size_t)size, "libipsec-mb %s (%s%s), %s, libsodium %s", imb_get_version_str(),
		 mgr->used_arch < sizeof names / sizeof *names ? names[mgr->used_arch] : "?",
		 (mgr->features & IMB_FEATURE_AVX512_IFMA) && (mgr->features & IMB_FEATURE_GFNI) ? " with IFMA" : "", OpenSSL_version(OPENSSL_VERSION),
		 sodium_version_string());
}

int start(void)
{
	for (int sealing = 0; sealing < 2; sealing++) {
		contexts[sealing] = EVP_CIPHER_CTX_new();
		if (contexts[sealing] == NULL || EVP_CipherInit_ex(contexts[sealing], EVP_chacha20_poly1305(), NULL, NULL, NULL, sealing) != 1)
			return -1;
	}
	return sodium_init() < 0 ? -1 : 0;
}
