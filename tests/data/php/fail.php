<?php
http_response_code(500);
echo "it fails, as it should\n";
