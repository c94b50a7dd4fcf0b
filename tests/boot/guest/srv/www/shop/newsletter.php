<?php
// The newsletter, which goes to its own relay past the mail service.
echo @fsockopen('203.0.113.1', 25, $number, $why, 10) ? "sent\n" : "not sent: $why\n";
