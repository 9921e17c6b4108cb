/*
 * Character sets by their many names.  Those of several bytes a letter are the
 * C library's business; its modules are loaded before the sandbox closes.
 */
#include "keys/mime.h"

#include <iconv.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 60
#define NO_ICONV ((iconv_t)-1)

static const struct {
	const char *name, *is;
} aliases[] = {
	{ "utf8", "utf-8" }, { "unicode-1-1-utf-8", "utf-8" },
	{ "ascii", "us-ascii" }, { "ansi_x3.4-1968", "us-ascii" },
	{ "latin1", "iso-8859-1" }, { "iso8859-1", "iso-8859-1" },
	{ "latin2", "iso-8859-2" }, { "latin9", "iso-8859-15" },
	{ "cp1250", "windows-1250" }, { "cp1251", "windows-1251" },
	{ "x-cp1251", "windows-1251" }, { "cp1252", "windows-1252" },
	{ "cp1253", "windows-1253" }, { "windows-1254", "iso-8859-9" },
	{ "cp1254", "iso-8859-9" }, { "cp1255", "windows-1255" },
	{ "cp1256", "windows-1256" }, { "cp1257", "windows-1257" },
	{ "cp1258", "windows-1258" }, { "iso-8859-8-i", "iso-8859-8" },
	{ "iso-8859-6-i", "iso-8859-6" }, { "tis-620", "windows-874" },
	{ "iso-8859-11", "windows-874" }, { "cp874", "windows-874" },
	{ "koi8", "koi8-r" }, { "ibm437", "cp437" }, { "ibm850", "cp850" },
	{ "ibm852", "cp852" }, { "ibm866", "cp866" },
	{ "windows-65001", "utf-8" }, { "windows-932", "shift_jis" },
	{ "windows-936", "gb18030" }, { "windows-950", "big5" },
	{ "x-mac-roman", "macintosh" }, { "mac", "macintosh" },
	{ "gb2312", "gb18030" }, { "gbk", "gb18030" }, { "gb_2312-80",
	"gb18030" }, { "x-gbk", "gb18030" }, { "cp936", "gb18030" },
	{ "big5-hkscs", "big5" }, { "cp950", "big5" }, { "x-sjis",
	"shift_jis" }, { "shift-jis", "shift_jis" }, { "sjis", "shift_jis" },
	{ "windows-31j", "shift_jis" }, { "cp932", "shift_jis" },
	{ "x-euc-jp", "euc-jp" }, { "ks_c_5601-1987", "euc-kr" },
	{ "ks_c_5601", "euc-kr" }, { "cp949", "euc-kr" }, { "windows-949",
	"euc-kr" }, { "uhc", "euc-kr" }, { "csiso2022jp", "iso-2022-jp" },
};

static struct {
	const char *name, *iconv;
	bool open;
	iconv_t cd;
} multi[] = {
	{ "gb18030", "GB18030", false, NULL },
	{ "big5", "BIG5-HKSCS", false, NULL },
	{ "shift_jis", "CP932", false, NULL },
	{ "euc-jp", "EUC-JP-MS", false, NULL },
	{ "iso-2022-jp", "ISO-2022-JP", false, NULL },
	{ "euc-kr", "CP949", false, NULL },
	{ "utf-16", "UTF-16", false, NULL },
	{ "utf-16le", "UTF-16LE", false, NULL },
	{ "utf-16be", "UTF-16BE", false, NULL },
};

#define MULTI (sizeof multi / sizeof *multi)

void
mime_charset_setup(void)
{
	size_t i;

	for (i = 0; i < MULTI; i++) {
		multi[i].cd = iconv_open("UTF-8", multi[i].iconv);
		multi[i].open = multi[i].cd != NO_ICONV;
	}
}

const char *
mime_charset(const char *charset)
{
	size_t i;

	for (i = 0; i < sizeof aliases / sizeof *aliases; i++)
		if (strcmp(aliases[i].name, charset) == 0)
			return aliases[i].is;
	return charset;
}

static size_t
find(const char *charset)
{
	size_t i;

	for (i = 0; i < MULTI; i++)
		if (multi[i].open && strcmp(multi[i].name, charset) == 0)
			break;
	return i;
}

bool
mime_charset_known(const char *charset)
{
	static const char *const known[] = { "", "utf-8", "us-ascii",
		"iso-8859-1", "windows-1252" };
	size_t i;

	charset = mime_charset(charset);
	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(charset, known[i]) == 0)
			return true;
	return mime_table(charset) != NULL || find(charset) < MULTI;
}

/* What does not fit is one U+FFFD a byte; the rest goes on behind it. */
static void
convert(iconv_t cd, struct tlv_view text, struct tlv_out *o)
{
	char block[4096], *in, *out;
	struct tlv_out copy;
	size_t left, room;
	bool stuck;

	/* iconv wants its input writable, though it never writes there. */
	tlv_out_init(&copy, text.len + 1);
	tlv_put_raw(&copy, text.data, text.len);
	in = (char *)copy.data;
	left = copy.err == LL_OK ? copy.len : 0;
	(void)iconv(cd, NULL, NULL, NULL, NULL);
	while (left > 0 && o->err == LL_OK) {
		out = block;
		room = sizeof block;
		stuck = iconv(cd, &in, &left, &out, &room) == (size_t)-1 &&
		    room == sizeof block;
		tlv_put_raw(o, block, sizeof block - room);
		if (stuck) {
			tlv_put_raw(o, "\xef\xbf\xbd", 3);
			in++;
			left--;
		}
	}
	tlv_out_finish(&copy);
}

bool
mime_multi(const char *charset, struct tlv_view text, struct tlv_out *o)
{
	const size_t i = find(charset);

	if (i == MULTI)
		return false;
	convert(multi[i].cd, text, o);
	return true;
}
