require ["vnd.dovecot.pipe", "vnd.dovecot.execute"];
if header :is "subject" "pipe" {
	pipe "attempt" ["sieve-pipe"];
} else {
	execute "attempt" ["sieve-execute"];
	discard;
}
