#include <string.h>

#include "keys/muc.h"

/* Short English words that can't be mistaken for one another on a telephone:
 * no two differ in fewer than two letters. */
static const char words[256][SITE_WORD_MAX] = {
	"acorn", "album", "almond", "alphabet", "anchor", "apple", "arrow",
	"atlas", "autumn", "avenue", "badge", "bakery", "balcony", "bamboo",
	"banana", "banjo", "barrel", "beaver", "bicycle", "blanket", "blossom",
	"bottle", "branch", "breeze", "bridge", "broom", "bubble", "bucket",
	"buffalo", "butter", "button", "cabin", "cactus", "camera", "canoe",
	"canyon", "carpet", "castle", "cello", "chapel", "cherry", "chimney",
	"cinnamon", "circus", "clover", "cobra", "coffee", "comet", "copper",
	"coral", "cotton", "cradle", "cricket", "crystal", "curtain",
	"cushion", "daisy", "dancer", "desert", "diamond", "doctor", "dolphin",
	"donkey", "dragon", "drawer", "drummer", "eagle", "eclipse", "elbow",
	"elephant", "emerald", "engine", "envelope", "fabric", "falcon",
	"farmer", "feather", "fiddle", "flamingo", "flute", "forest", "fossil",
	"fountain", "gallery", "garden", "garlic", "gazelle", "ginger",
	"giraffe", "glacier", "goose", "grape", "guitar", "hammer", "harbor",
	"harvest", "hazel", "hedgehog", "helmet", "hockey", "honey", "hornet",
	"husky", "iceberg", "igloo", "insect", "island", "ivory", "jacket",
	"jaguar", "jelly", "jewel", "jigsaw", "jungle", "juniper", "kayak",
	"kennel", "ketchup", "kettle", "kitchen", "kiwi", "koala", "ladder",
	"lagoon", "lantern", "lemon", "leopard", "lettuce", "library",
	"lizard", "lobster", "lumber", "magnet", "mango", "maple", "marble",
	"meadow", "metal", "mirror", "mitten", "mosaic", "muffin", "museum",
	"mushroom", "napkin", "needle", "nickel", "noodle", "nutmeg", "oasis",
	"oboe", "ocean", "octopus", "olive", "onion", "opera", "orange",
	"orchid", "ostrich", "otter", "oxygen", "oyster", "palace", "panda",
	"panther", "paper", "parrot", "peacock", "peanut", "pebble", "pelican",
	"pencil", "piano", "picnic", "pigeon", "pirate", "planet", "plum",
	"pocket", "poppy", "prairie", "pumpkin", "puppet", "puzzle", "pyramid",
	"python", "quartz", "quilt", "quiver", "rabbit", "radar", "radish",
	"raven", "ribbon", "robin", "ruby", "salmon", "sandal", "saturn",
	"scarf", "school", "scissors", "shadow", "shovel", "silver", "siren",
	"sketch", "spider", "spoon", "squirrel", "statue", "sugar", "summer",
	"sunset", "swan", "tablet", "tailor", "teapot", "temple", "tennis",
	"thimble", "thunder", "tiger", "timber", "tomato", "torch", "tractor",
	"trumpet", "tulip", "tunnel", "turkey", "turtle", "umbrella",
	"unicorn", "valley", "vanilla", "velvet", "vessel", "violin",
	"volcano", "vulture", "waffle", "wagon", "walnut", "whistle", "willow",
	"window", "winter", "wolf", "yacht", "yellow", "yogurt", "zebra",
	"zenith", "zigzag", "zipper",
};

void
site_words(const struct id *link_secret, char first[SITE_WORD_MAX],
    char second[SITE_WORD_MAX])
{
	uint8_t h[HASH_BYTES], other;

	/* Can't fail: label, key length and input are fixed. */
	if (derive(LABEL_SITE_WORDS, link_secret->b, ID_BYTES, NULL, h) !=
	    LL_OK)
		memset(h, 0, sizeof h);
	/* Twice the same word would sound like a slip. */
	other = h[1] == h[0] ? (uint8_t)(h[1] + 1) : h[1];
	memcpy(first, words[h[0]], SITE_WORD_MAX);
	memcpy(second, words[other], SITE_WORD_MAX);
}
