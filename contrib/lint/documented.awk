# Prints each prototype of a header that has no comment: none directly above
# it, and none above the run of prototypes (no blank line between) it is in.
FNR == 1 { said = 0; comment = 0; depth = 0; proto = "" }
comment || /^[[:space:]]*\/\*/ {
	comment = !/\*\//
	said = 1
	next
}
/^[[:space:]]*$/ { said = 0; next }
/^(struct|enum|union)[^()]*\{/ { depth = 1 }
depth { if (/^}/) depth = 0; next }
continued { continued = /\\$/; next }
/^#/ { continued = /\\$/; next }
/^(struct|enum) [a-z_]+;$/ || /^extern / || /^typedef/ { next }
{
	if (proto == "") { first = FNR; was = said }
	proto = proto $0
	if ($0 ~ /;[[:space:]]*(\/\*.*)?$/) {
		if (proto ~ /\(/ && proto !~ /static/ && !was)
			print FILENAME ":" first ": " proto
		proto = ""
	} else if ($0 ~ /[{}]/)
		proto = ""
}
