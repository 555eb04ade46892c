// The native libraries behind one call a batch, for the side-by-side benchmark and as oracle: libsodium, OpenSSL and
// libipsec-mb (its job and its burst interface, as it chooses by itself, without IFMA, and held to AVX2).
// A job has the layout of AeadJob in src/TunnelBox.Crypto/IPacketAead.cs.
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct job {
	const uint8_t *source;
	uint8_t *destination;
	const uint8_t *key;
	uint64_t counter;
	int32_t length;
	uint8_t opened;
};

enum { TAG = 16, BURST = 64, MANAGERS = 3 };

static IMB_MGR *managers[MANAGERS];
static EVP_CIPHER_CTX *contexts[2];
static uint8_t last_key[2][32];

static void nonce_of(uint8_t nonce[12], uint64_t counter)
{
	memset(nonce, 0, 4);
	memcpy(nonce + 4, &counter, 8);
}

// Managers: 0 as the library chooses, 1 without IFMA, 2 held to AVX2. Returns 0, or the number of what failed.
int natives_init(void)
{
	if (sodium_init() < 0)
		return 1;
	for (int i = 0; i < 2; i++) {
		contexts[i] = EVP_CIPHER_CTX_new();
		if (!contexts[i] || !EVP_CipherInit_ex(contexts[i], EVP_chacha20_poly1305(), NULL, NULL, NULL, i == 0))
			return 2;
	}
	for (int i = 0; i < MANAGERS; i++) {
		managers[i] = alloc_mb_mgr(i == 1 ? IMB_FLAG_GFNI_OFF : 0);
		if (!managers[i])
			return 3;
		if (i == 0) {
			init_mb_mgr_auto(managers[i], NULL);
		} else if (i == 1) {
			if (managers[i]->features & IMB_FEATURE_AVX512F) {
				init_mb_mgr_avx512(managers[i]);
				managers[i]->features &= ~IMB_FEATURE_AVX512_IFMA;
			} else {
				init_mb_mgr_auto(managers[i], NULL);
			}
		} else {
			init_mb_mgr_avx2(managers[i]);
		}
	}
	return 0;
}

uint64_t natives_features(int manager) { return managers[manager]->features; }

int natives_arch(int manager) { return (int)managers[manager]->used_arch; }

void sodium_seal(struct job *jobs, int count)
{
	for (int i = 0; i < count; i++) {
		uint8_t nonce[12];
		nonce_of(nonce, jobs[i].counter);
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(jobs[i].destination, jobs[i].destination + jobs[i].length, NULL,
			jobs[i].source, (unsigned long long)jobs[i].length, NULL, 0, NULL, nonce, jobs[i].key);
	}
}

void sodium_open(struct job *jobs, int count)
{
	for (int i = 0; i < count; i++) {
		uint8_t nonce[12];
		nonce_of(nonce, jobs[i].counter);
		jobs[i].opened = crypto_aead_chacha20poly1305_ietf_decrypt_detached(jobs[i].destination, NULL, jobs[i].source,
			(unsigned long long)jobs[i].length, jobs[i].source + jobs[i].length, NULL, 0, nonce, jobs[i].key) == 0;
	}
}

// OpenSSL sets a key up only when it changes, as a careful caller would.
static EVP_CIPHER_CTX *context_for(int open, const struct job *job, const uint8_t *nonce)
{
	EVP_CIPHER_CTX *context = contexts[open];
	const uint8_t *key = memcmp(last_key[open], job->key, 32) ? job->key : NULL;
	if (key)
		memcpy(last_key[open], key, 32);
	EVP_CipherInit_ex(context, NULL, NULL, key, nonce, -1);
	return context;
}

void openssl_seal(struct job *jobs, int count)
{
	for (int i = 0; i < count; i++) {
		uint8_t nonce[12];
		int done = 0;
		nonce_of(nonce, jobs[i].counter);
		EVP_CIPHER_CTX *context = context_for(0, &jobs[i], nonce);
		EVP_EncryptUpdate(context, jobs[i].destination, &done, jobs[i].source, jobs[i].length);
		EVP_EncryptFinal_ex(context, jobs[i].destination + done, &done);
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, jobs[i].destination + jobs[i].length);
	}
}

void openssl_open(struct job *jobs, int count)
{
	for (int i = 0; i < count; i++) {
		uint8_t nonce[12];
		int done = 0;
		nonce_of(nonce, jobs[i].counter);
		EVP_CIPHER_CTX *context = context_for(1, &jobs[i], nonce);
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, (void *)(jobs[i].source + jobs[i].length));
		EVP_DecryptUpdate(context, jobs[i].destination, &done, jobs[i].source, jobs[i].length);
		jobs[i].opened = EVP_DecryptFinal_ex(context, jobs[i].destination + done, &done) > 0;
	}
}

struct context {
	uint8_t nonce[12];
	uint8_t tag[TAG];
};

static void describe(IMB_JOB *to, struct job *job, struct context *context, int open)
{
	nonce_of(context->nonce, job->counter);
	to->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	to->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	to->cipher_direction = open ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
	to->chain_order = open ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
	to->enc_keys = job->key;
	to->dec_keys = job->key;
	to->key_len_in_bytes = 32;
	to->u.CHACHA20_POLY1305.aad = NULL;
	to->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	to->src = job->source;
	to->dst = job->destination;
	to->iv = context->nonce;
	to->iv_len_in_bytes = 12;
	to->msg_len_to_cipher_in_bytes = (uint64_t)job->length;
	to->cipher_start_src_offset_in_bytes = 0;
	to->msg_len_to_hash_in_bytes = (uint64_t)job->length;
	to->hash_start_src_offset_in_bytes = 0;
	to->auth_tag_output = open ? context->tag : job->destination + job->length;
	to->auth_tag_output_len_in_bytes = TAG;
}

static void verify(struct job *jobs, int count, const struct context *contexts)
{
	for (int i = 0; i < count; i++)
		jobs[i].opened = sodium_memcmp(contexts[i].tag, jobs[i].source + jobs[i].length, TAG) == 0;
}

void imb_jobs(int manager, struct job *jobs, int count, int open)
{
	struct context contexts[BURST];
	IMB_MGR *m = managers[manager];
	for (int at = 0; at < count; at += BURST) {
		int some = count - at < BURST ? count - at : BURST;
		for (int i = 0; i < some; i++) {
			describe(IMB_GET_NEXT_JOB(m), &jobs[at + i], &contexts[i], open);
			IMB_SUBMIT_JOB_NOCHECK(m);
		}
		while (IMB_FLUSH_JOB(m))
			;
		if (open)
			verify(jobs + at, some, contexts);
	}
}

void imb_burst(int manager, struct job *jobs, int count, int open)
{
	struct context contexts[BURST];
	IMB_JOB *list[BURST];
	IMB_MGR *m = managers[manager];
	for (int at = 0; at < count; at += BURST) {
		int some = count - at < BURST ? count - at : BURST;
		int got = (int)IMB_GET_NEXT_BURST(m, (uint32_t)some, list);
		for (int i = 0; i < got; i++)
			describe(list[i], &jobs[at + i], &contexts[i], open);
		IMB_SUBMIT_BURST_NOCHECK(m, (uint32_t)got, list);
		while (IMB_FLUSH_BURST(m, BURST, list))
			;
		if (open)
			verify(jobs + at, some, contexts);
	}
}
