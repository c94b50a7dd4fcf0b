<?php
// Spam: somebody has put it there.
$sent = 0;
foreach (range(1, 20) as $n)
	$sent += (bool)@stream_socket_client("tcp://198.51.100.$n:25", $number, $why, 10);
echo "sent to $sent\n";
