# shellcheck shell=bash disable=SC2154,SC2034 # variables shared with tools/demo.sh
# The calls that a game's backend makes, signed as AWS wants it, to the simulator.
#
# Sourced by tools/demo.sh. Uses $aws_url and $s3_url.

# AWS's own documentation pair, the only one that the simulator knows.
readonly access_key_id=AKIAIOSFODNN7EXAMPLE secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
readonly region=us-west-2

# signed SERVICE CURL-ARGUMENT...
signed() {
	local service=$1
	shift
	curl --silent --show-error --fail --noproxy '*' --max-time 10 \
		--user "$access_key_id:$secret_access_key" --aws-sigv4 "aws:amz:$region:$service" "$@"
}

# start_session GROUP: StartStreamSession; prints the new session's id.
start_session() {
	local answer
	answer=$(signed gameliftstreams --header 'Content-Type: application/json' \
		--data '{"Protocol": "WebRTC", "SignalRequest": "NO_CLIENT_CONNECTION", "ApplicationIdentifier": "a-9ZY8X7Wv6"}' \
		"$aws_url/streamgroups/$1/streamsessions")
	[[ $answer =~ \"Arn\":\"[^\"]*/([A-Za-z0-9-]+)\" ]] || die "StartStreamSession answered: $answer"
	echo "${BASH_REMATCH[1]}"
}

# end_session GROUP SESSION: TerminateStreamSession.
end_session() {
	signed gameliftstreams --output /dev/null --request DELETE "$aws_url/streamgroups/$1/streamsessions/$2"
}

# session_is GROUP SESSION STATUS: asks GetStreamSession.
session_is() {
	local answer
	answer=$(signed gameliftstreams "$aws_url/streamgroups/$1/streamsessions/$2")
	[[ $answer == *"\"Status\":\"$3\""* ]]
}

# fetch S3-URI FILE: GetObject.
fetch() {
	signed s3 --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' --output "$2" "$s3_url/${1#s3://}"
}
