# shellcheck shell=sh
# Packages of another machine or release, downloaded and unpacked. Nothing is
# installed, and neither apt nor dpkg of this machine hears of it: lists, cache
# and status are in a folder of their own. Sourced.

# other_apt FOLDER ARCHITECTURE RELEASE: makes ready what other_get uses. From
# the mirror that this machine has for its own release.
other_apt() {
	other_dir=$1 other_architecture=$2
	mkdir -p "$other_dir/lists/partial" "$other_dir/archives/partial" \
		"$other_dir/sources"
	: >"$other_dir/status"
	# shellcheck disable=SC2016 # apt's own words
	apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
		awk -v arch="$2" -v suite="$3" '$2 !~ /-/ && $3 == "main" &&
			$1 == "Debian" && !seen[$4]++ { print "deb [arch=" arch \
			" signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", \
			$4, suite, "main" }' >"$other_dir/sources.list"
	[ -s "$other_dir/sources.list" ] || return 1
	other_apt_get update
}

other_apt_get() {
	apt-get -qq -o APT::Architecture="$other_architecture" \
		-o APT::Architectures="$other_architecture" \
		-o Dir::State::status="$other_dir/status" \
		-o Dir::State::lists="$other_dir/lists" \
		-o Dir::Cache="$other_dir" \
		-o Dir::Etc::sourceparts="$other_dir/sources" \
		-o Dir::Etc::sourcelist="$other_dir/sources.list" \
		-o Acquire::Languages=none -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root "$@"
}

# unpack_into FOLDER COMMAND…: what it downloads to its working directory.
unpack_into() {
	unpack_to=$1 unpack_debs=$1.debs
	shift
	mkdir -p "$unpack_to" "$unpack_debs"
	(cd "$unpack_debs" && "$@") || return
	for unpack_deb in "$unpack_debs"/*.deb; do
		dpkg -x "$unpack_deb" "$unpack_to" || return
	done
	rm -rf "$unpack_debs"
}
