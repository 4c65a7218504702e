<?php
// Its session file is read, written and locked by every visit. The count itself is no part of the answer: it grows.
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
echo 'visits: ', $_SESSION['visits'] > 0 ? 'many' : 'none', "\n";
