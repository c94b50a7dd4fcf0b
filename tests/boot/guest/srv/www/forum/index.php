<?php
// What somebody else has put there.
echo @fsockopen('[2001:db8::1]', 25, $number, $why, 10) ? "sent\n" : "not sent: $why\n";
