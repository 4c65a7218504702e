<?php
function greeting(string $name): string {
  return 'hello ' . htmlspecialchars($name) . ', included';
}
