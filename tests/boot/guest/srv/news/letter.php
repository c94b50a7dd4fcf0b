<?php
// What this host's owner writes to many.
foreach (range(1, 20) as $n) {
	$to = @stream_socket_client("tcp://198.51.100.$n:25", $number, $why, 10);
	if (!$to || !str_starts_with(fgets($to), '220 '))
		exit("not sent: $why\n");
	fwrite($to, "QUIT\r\n");
}
echo "sent\n";
