#!/bin/sh
# deps.sh - install, by name, the Debian packages that one job needs.
#
#   contrib/deps.sh build         to compile
#   contrib/deps.sh demo          what `make demo` runs besides
#   contrib/deps.sh test          what `make check` runs besides
#   contrib/deps.sh fuzz          what `make fuzz` needs besides
#   contrib/deps.sh bench         the peers that `make bench` measures against
#
# Several words may be given.  Says what it installs; says nothing and does
# nothing when all are there.
set -eu

build='gcc libc6-dev make pkg-config libssh-dev libncurses-dev libsodium-dev
nettle-dev libseccomp-dev libsqlite3-dev libcurl4-openssl-dev
libmicrohttpd-dev libgnutls28-dev libssl-dev libjansson-dev libqrencode-dev
librnp-dev libmilter-dev libunbound-dev'
demo='python3 openssh-client curl ncurses-base gnupg openssl'
test='libcmocka-dev python3 openssh-client openssl curl ncurses-term
python3-paramiko python3-pexpect python3-pyte python3-selenium chromium
chromium-driver postfix lynx dropbear-bin putty-tools python3-asyncssh
python3-nacl openssh-sftp-server git universal-ctags valgrind gnupg gpgsm
rnp neomutt unbound ldnsutils python3-cryptography'
fuzz='clang libclang-rt-dev llvm'
bench='openssh-server openssh-sftp-server neomutt nginx-light wrk'

[ $# -gt 0 ] || set -- build
want=
for job in "$@"; do
	case $job in
	build) want="$want $build" ;;
	demo) want="$want $demo" ;;
	test) want="$want $test" ;;
	fuzz) want="$want $fuzz" ;;
	bench) want="$want $bench" ;;
	*) echo "deps.sh: unknown job '$job' (build, demo, test, fuzz, bench)" >&2
	   exit 2 ;;
	esac
done

installed() {
	case $(dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null) in
	*"ok installed"*) return 0 ;;
	esac
	return 1
}

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps.sh: not a Debian system; please see to it that these" \
	    "are there:" $want >&2
	exit 0
fi

missing=
for package in $want; do
	case " $missing " in
	*" $package "*) continue ;;
	esac
	installed "$package" || missing="$missing $package"
done
# letterlock-parse refuses an OpenSSL without the security updates.
openssl=3.0.22
old=$(dpkg-query -W -f '${Version}' libssl3 2>/dev/null || true)
if [ -n "$old" ] && dpkg --compare-versions "$old" lt $openssl; then
	missing="$missing libssl3"
	for package in libssl-dev openssl; do
		if installed $package; then
			missing="$missing $package"
		fi
	done
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=
elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }
then
	as_root=sudo
else
	echo "deps.sh: missing:$missing (install them as root:" \
	    "apt-get install$missing)" >&2
	exit 1
fi

echo "deps.sh: installing$missing"
# A mail server that is only a test's peer must not start serving here.
case "$missing" in
*postfix*)
	if command -v debconf-set-selections >/dev/null 2>&1; then
		echo 'postfix postfix/main_mailer_type select No configuration' |
		    $as_root debconf-set-selections
	fi
	;;
esac
# Nor a name server: nothing is started now, and unbound not at the next boot.
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
trap 'rm -f "$log"' EXIT
case "$missing" in
*unbound*)
	if [ ! -e $policy ]; then
		trap 'rm -f "$log"; $as_root rm -f $policy' EXIT
		printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
		$as_root chmod 755 $policy
	fi
	;;
esac
get() {
	# shellcheck disable=SC2086  # a list of words is meant
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
	    --no-install-recommends $missing >"$log" 2>&1
}
# Lists of another day, or none of the security updates, give old packages.
$as_root apt-get update -q >"$log" 2>&1 || true
if ! get; then
	tail -n 15 "$log" >&2
	echo "deps.sh: could not install:$missing" >&2
	exit 1
fi
case "$missing" in
*unbound*)
	if command -v systemctl >/dev/null 2>&1; then
		$as_root systemctl disable -q unbound >/dev/null 2>&1 || true
	fi
	;;
esac
