<?php
$name = tempnam(sys_get_temp_dir(), 'note');
file_put_contents($name, 'honey');
$read = file_get_contents($name);
unlink($name);
echo $read === 'honey' ? 'written, read, removed' : 'lost', "\n";
