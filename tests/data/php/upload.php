<?php
// Takes a file whatever its name is, as pages that were broken into did. It answers the tests' own network alone.
if (!str_starts_with($_SERVER['REMOTE_ADDR'], '10.99.')) exit;
$file = $_FILES['file'];
$name = basename($file['name']);
if (!isset($_GET['discard'])) move_uploaded_file($file['tmp_name'], __DIR__ . '/uploads/' . $name);
echo $name, ': ', $file['size'], " bytes\n";
