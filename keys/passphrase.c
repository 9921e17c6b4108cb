#include <string.h>

#include "keys/tlv.h"
#include "keys/vault.h"

#define DISTINCT_MIN 6
#define STEM_MIN 3

/*
 * What people choose when fifteen characters are asked for.  Whole phrases
 * are compared without blanks, case, digits at the end and punctuation; words
 * refuse a passphrase that consists of nothing but them.
 */
static const char *const phrases[] = {
	"abandonallhope", "allyourbasearebelongtous", "changemechangeme",
	"correcthorsebatterystaple", "donttellanyone", "forgotmypassword",
	"godsavethequeen", "happybirthdaytoyou", "heyjudedontmakeitbad",
	"howareyoutoday", "icantrememberit", "ilovemychildren",
	"ilovemyfamily", "ilovemyhusband", "ilovemywife", "inthebeginning",
	"itwasthebestoftimes", "ithinkthereforeiam", "jesuslovesme",
	"knowledgeispower", "letmeinletmein", "letterlock", "liveandletlive",
	"livelongandprosper", "loremipsum", "loremipsumdolorsitamet",
	"marryhadalittlelamb", "maryhadalittlelamb",
	"maytheforcebewithyou", "mynameisbond", "nevergonnagiveyouup",
	"noplacelikehome", "onceuponatime", "ourfatherwhoartinheaven",
	"passwordpassword", "pleaseletmein", "readytogo", "thequickbrownfox",
	"thequickbrownfoxjumps", "thequickbrownfoxjumpsoverthelazydog",
	"thereisnospoon", "theresnoplacelikehome", "thisisapassphrase",
	"thisisapassword", "thisismypassphrase", "thisismypassword",
	"thisisnotapassword", "timeismoney", "tobeornottobe",
	"tobeornottobethatisthequestion", "todayisagoodday",
	"trustno", "twinkletwinklelittlestar", "verysecretpassword",
	"welcometothejungle", "whatevermakesyouhappy", "winteriscoming",
	"youshallnotpass",
};

static const char *const words[] = {
	"a", "access", "account", "admin", "administrator", "alpha", "and",
	"angel", "april", "august", "autumn", "baby", "bailey", "banana",
	"baseball", "basketball", "batman", "buster", "butterfly", "charlie",
	"cheese", "chocolate", "company", "computer", "cookie", "daniel",
	"december", "default", "dragon", "email", "enter", "everyone", "family",
	"february", "flower", "football", "forever", "freedom", "friday",
	"friends", "hallo", "hannah", "happy", "hello", "hockey", "hunter",
	"i", "iloveyou", "internet", "is", "january", "jennifer", "jessica",
	"jordan", "july", "june", "killer", "letmein", "liverpool", "login",
	"love", "lovely", "mail", "march", "master", "maggie", "me", "michael",
	"michelle", "monday", "monkey", "mustang", "my", "nicole", "ninja",
	"november", "october", "office", "pass", "passphrase", "passwort",
	"password", "please", "princess", "purple", "qwerty", "root", "samsung",
	"saturday", "secret", "secure", "security", "september", "server",
	"shadow", "soccer", "spring", "starwars", "summer", "sunday",
	"sunshine", "superman", "superuser", "sysadmin", "system", "temp",
	"temporary", "test", "testing", "the", "this", "thomas", "thursday",
	"to", "tuesday", "user", "wednesday", "welcome", "whatever", "winter",
	"work", "you", "your",
};

/* Walks over a keyboard and through counting. */
static const char *const rows[] = {
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
	"01234567890123456789012345678901234567890",
	"qwertyuiopasdfghjklzxcvbnmqwertyuiopasdfghjklzxcvbnm",
	"qwertzuiopasdfghjklyxcvbnmqwertzuiopasdfghjklyxcvbnm",
	"azertyuiopqsdfghjklmwxcvbnazertyuiopqsdfghjklmwxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
	"1q2w3e4r5t6y7u8i9o0p",
	"qazwsxedcrfvtgbyhnujmikolp",
};

#define COUNT(table) (sizeof (table) / sizeof *(table))

static const char *const leet[] = {
	"0o", "1i", "3e", "4a", "5s", "7t", "8b", "@a", "$s", "!i"
};

enum fold { FOLD_KEEP, FOLD_LETTERS, FOLD_LEET };

/* Lower case without blanks and punctuation.  Digits are kept, or dropped, or
 * become the letters that they look like but for those at the end. */
static size_t
fold(const char *text, size_t len, enum fold how, char *out)
{
	size_t i, k, n = 0;
	char c;

	while (how == FOLD_LEET && len > 0 && ((text[len - 1] >= '0' &&
	    text[len - 1] <= '9') || text[len - 1] == '!'))
		len--;
	for (i = 0; i < len; i++) {
		c = text[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		for (k = 0; how == FOLD_LEET && k < COUNT(leet); k++)
			if (c == leet[k][0])
				c = leet[k][1];
		if ((c >= 'a' && c <= 'z') || ((uint8_t)c & 0x80) != 0 ||
		    (how == FOLD_KEEP && c >= '0' && c <= '9'))
			out[n++] = c;
	}
	out[n] = 0;
	return n;
}

static bool
is_phrase(const char *text)
{
	size_t i;

	for (i = 0; i < COUNT(phrases); i++)
		if (strcmp(text, phrases[i]) == 0)
			return true;
	return false;
}

/* reach[i]: the first i characters are words, one after the other. */
static bool
is_words(const char *text, size_t len)
{
	bool reach[KDF_INPUT_MAX + 1] = { true };
	size_t at, i, n;

	for (at = 0; at < len; at++) {
		for (i = 0; reach[at] && i < COUNT(words); i++) {
			n = strlen(words[i]);
			if (n <= len - at && memcmp(text + at, words[i],
			    n) == 0)
				reach[at + n] = true;
		}
	}
	return reach[len];
}

/* Steps of at least STEM_MIN characters along the rows cover all of it. */
static bool
is_walk(const char *text, size_t len)
{
	char stem[STEM_MIN + 1] = { 0 };
	size_t at = 0, i, n, best;
	const char *row;

	while (at + STEM_MIN <= len) {
		memcpy(stem, text + at, STEM_MIN);
		for (best = i = 0; i < COUNT(rows); i++) {
			row = strstr(rows[i], stem);
			for (n = 0; row != NULL && at + n < len &&
			    row[n] != 0 && row[n] == text[at + n]; n++)
				;
			best = n > best ? n : best;
		}
		if (best < STEM_MIN)
			return false;
		at += best;
	}
	return len - at < STEM_MIN;
}

static bool
few_characters(const char *text, size_t len)
{
	bool seen[256] = { false };
	size_t i, distinct = 0;

	for (i = 0; i < len; i++) {
		distinct += !seen[(uint8_t)text[i]];
		seen[(uint8_t)text[i]] = true;
	}
	return distinct < DISTINCT_MIN;
}

/* The same piece, up to a third of the whole, over and over. */
static bool
is_repetition(const char *text, size_t len)
{
	size_t period, i;

	for (period = 1; period <= len / 3; period++) {
		for (i = period; i < len; i++)
			if (text[i] != text[i - period])
				break;
		if (i == len)
			return true;
	}
	return false;
}

/* Known phrases, or nothing but common words beside digits. */
static bool
says_nothing_new(const char *text, size_t len, enum fold how)
{
	char plain[KDF_INPUT_MAX + 1];
	bool common;
	size_t n;

	n = fold(text, len, how, plain);
	common = 3 * n >= len && (is_phrase(plain) || is_words(plain, n));
	sodium_memzero(plain, sizeof plain);
	return common;
}

static bool
is_pattern(const char *text, size_t len)
{
	char plain[KDF_INPUT_MAX + 1], back[KDF_INPUT_MAX + 1];
	bool common;
	size_t n, i;

	n = fold(text, len, FOLD_KEEP, plain);
	for (i = 0; i < n; i++)
		back[i] = plain[n - 1 - i];
	back[n] = 0;
	common = is_walk(plain, n) || is_walk(back, n) ||
	    is_repetition(plain, n);
	sodium_memzero(plain, sizeof plain);
	sodium_memzero(back, sizeof back);
	/* Mostly punctuation: the rest says nothing about the whole. */
	return common && 2 * n >= len;
}

static bool
is_common(const char *text, size_t len)
{
	return says_nothing_new(text, len, FOLD_LETTERS) ||
	    says_nothing_new(text, len, FOLD_LEET) || is_pattern(text, len);
}

enum ll_result
passphrase_check(const char *text, size_t len, const char **why_r)
{
	*why_r = NULL;
	if (len < PASSPHRASE_MIN)
		*why_r = "use at least 15 characters; a few unrelated words "
		    "do well";
	else if (len > KDF_INPUT_MAX)
		*why_r = "use at most 1024 bytes";
	else if (!utf8_valid(text, len))
		*why_r = "the passphrase is not valid UTF-8 text";
	else if (few_characters(text, len))
		*why_r = "use more different characters";
	else if (is_common(text, len))
		*why_r = "that is among the first that are guessed; take "
		    "words that don't belong together";
	return *why_r == NULL ? LL_OK : LL_USAGE;
}
