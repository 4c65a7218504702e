<?php
// A page that includes another, and is long where that is asked for.
require __DIR__ . '/part.inc.php';
$name = $_POST['name'] ?? $_GET['name'] ?? 'nobody';
if (!preg_match('/^\pL+(\s\pL+)*$/u', $name)) exit('no name');
echo greeting($name), "\n";
if (isset($_GET['long'])) echo str_repeat("a line of a long page\n", 4000);
