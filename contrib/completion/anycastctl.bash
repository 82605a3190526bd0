# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Completion of anycastctl(1) in bash.  Names of commands and options come from
# the program's own table, names of sites, services and prefixes from the daemon
# if it answers within a second.  What the daemon says is never expanded by the
# shell: no compgen -W here.

# Of the lines of standard input, those that begin with $cur.
_anycastctl_offer() {
	local line
	while IFS= read -r line; do
		[[ -n $line && $line == "$cur"* ]] && COMPREPLY+=("$line")
	done
}

# KEY... -- the values that the status has under these keys.
_anycastctl_known() {
	local IFS='|'
	timeout 1 "${ctl[@]}" status --json 2>/dev/null |
	    grep -oE "\"($*)\": *\"[A-Za-z0-9._:/-]+\"" | cut -d'"' -f4 |
	    sort -u
}

# As anycastctl(1) names them.
_anycastctl_guards() {
	printf '%s\n' freeze min_sites min_capacity budget brake stale damping room by_hand
}

# Values of that kind, as usage texts call it.
_anycastctl_value() {
	case $1 in
	SITE | '[SITE]') _anycastctl_offer < <(_anycastctl_known site) ;;
	NAME) _anycastctl_offer < <(_anycastctl_known site service prefix) ;;
	PREFIX) _anycastctl_offer < <(_anycastctl_known prefix) ;;
	'[SERVICE]') _anycastctl_offer < <(_anycastctl_known service) ;;
	'[SERVICE/]PROBE') _anycastctl_offer < <(_anycastctl_known probe) ;;
	GUARD) _anycastctl_offer < <(_anycastctl_guards) ;;
	'PREFIX|SITE') _anycastctl_offer < <(_anycastctl_known site prefix) ;;
	FORMAT) _anycastctl_offer < <(printf '%s\n' table json csv dot svg html) ;;
	FILE | 'FILE|-' | PATH)
		compopt -o filenames 2>/dev/null
		_anycastctl_offer < <(compgen -f -- "$cur")
		;;
	esac
}

# The kind of argument that an option takes; nothing if it takes none.
_anycastctl_option_kind() {
	[[ $1 =~ ^--[a-z-]+$ ]] || return
	# shellcheck disable=SC2086 # the command has one word or two
	"${words[0]}" help $cmd 2>/dev/null |
	    sed -n "s/^  $1 \([A-Z][A-Z]*\) .*/\1/p"
}

# Sets cmd, ctl and n_args from the words before the one at the cursor.
_anycastctl_read_line() {
	local i word rest=()
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		case $word in
		--socket | --url | --certificate | --key | --ca)
			ctl+=("$word" "${words[++i]}")
			;;
		--socket=* | --url=* | --certificate=* | --key=* | --ca=*)
			ctl+=("$word")
			;;
		--*=*) ;;
		--*) [[ -n $(_anycastctl_option_kind "$word") ]] && ((i++)) ;;
		*)
			rest+=("$word")
			# A group's name may be a command by itself.
			word="$cmd${cmd:+ }${rest[*]}"
			[[ ${#rest[@]} -le 2 && $'\n'$names$'\n' == *$'\n'"$word"$'\n'* ]] &&
			    cmd=$word rest=()
			;;
		esac
	done
	group=${rest[0]-}
	n_args=${#rest[@]}
}

# The command's name, or the second word of it.
_anycastctl_commands() {
	local name
	while IFS= read -r name; do
		if [[ -z $group ]]; then
			printf '%s\n' "${name%% *}"
		elif [[ $name == "$group "* ]]; then
			printf '%s\n' "${name#"$group "}"
		fi
	done <<<"$names" | sort -u
}

_anycastctl() {
	local line=${COMP_LINE:0:COMP_POINT}
	local words=() ctl cmd='' group='' n_args=0 names cur kind colon

	COMPREPLY=()
	# Not COMP_WORDS: those are cut at each colon of an IPv6 prefix.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	ctl=("${words[0]}")
	names=$("${words[0]}" help --names 2>/dev/null) || return
	_anycastctl_read_line

	if [[ $cur == --*=* ]]; then
		kind=$(_anycastctl_option_kind "${cur%%=*}")
		cur=${cur#*=}
		_anycastctl_value "$kind"
	elif [[ $cur == -* ]]; then
		# shellcheck disable=SC2086
		_anycastctl_offer < <("${words[0]}" help --names ${cmd:-version})
	elif kind=$(_anycastctl_option_kind "${words[-2]-}") && [[ -n $kind ]]; then
		_anycastctl_value "$kind"
	elif [[ -z $cmd ]]; then
		_anycastctl_offer < <(_anycastctl_commands)
	elif [[ $cmd == help && $n_args -lt 2 ]]; then
		_anycastctl_offer < <(_anycastctl_commands)
	elif [[ $n_args -eq 0 ]]; then
		if [[ $'\n'$names == *$'\n'"$cmd "* ]]; then
			group=$cmd
			_anycastctl_offer < <(_anycastctl_commands)
		fi
		# shellcheck disable=SC2086
		kind=$("${words[0]}" help $cmd 2>/dev/null |
		    sed -n "s/^usage: anycastctl $cmd \([^ -][^ ]*\).*/\1/p")
		_anycastctl_value "$kind"
	fi
	# bash replaces what is behind the last colon only.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		colon=${cur%"${cur##*:}"}
		COMPREPLY=("${COMPREPLY[@]#"$colon"}")
	fi
}

complete -F _anycastctl anycastctl
