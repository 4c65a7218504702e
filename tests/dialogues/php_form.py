"""A PHP form behind nginx and php-fpm: session cookie, a token in a hidden field that is good once, a form of so and so many bytes. What is sent with
it goes to a shell."""
import re
from urllib.parse import quote_plus

from bait import installed
from client import HttpClient, Unexpected, word

KIND = "plain"
RULE = "shell_started"
NEEDS = ["/usr/sbin/php-fpm*", "/usr/sbin/nginx"]
ALWAYS = True

PAGE = r"""<?php
// A contact form that was to look up its sender's host. It answers the tests' own network alone.
if (!str_starts_with($_SERVER['REMOTE_ADDR'], '10.99.')) exit;
session_start();
if ($_SERVER['REQUEST_METHOD'] === 'GET') {
  $_SESSION['token'] = base64_encode(random_bytes(18 + random_int(0, 5)));
  exit('<form method="post"><input type="hidden" name="token" value="' . htmlspecialchars($_SESSION['token']) . '"></form>');
}
if (!hash_equals($_SESSION['token'] ?? 'none', $_POST['token'] ?? '')) {
  http_response_code(403);
  exit("no such form\n");
}
unset($_SESSION['token']);
LOOKUP
echo 'thank you, ', htmlspecialchars($_POST['name']), "\n";
"""


def services(bait):
    for name in ("sessions", "body", "proxy", "fastcgi"):
        bait.folder_of("www-data", name)
    lookup = "system('getent hosts ' . $_POST['host']);" if bait.vulnerable else "$_POST['host'] = '';"
    bait.write("www/form.php", PAGE.replace("LOOKUP", lookup))
    bait.write("nginx.conf", f"""daemon off;
user www-data;
worker_processes 1;
error_log {bait.file('nginx_error.log')};
pid {bait.file('nginx.pid')};
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {bait.file('body')};
  proxy_temp_path {bait.file('proxy')};
  fastcgi_temp_path {bait.file('fastcgi')};
  uwsgi_temp_path {bait.file('proxy')};
  scgi_temp_path {bait.file('proxy')};
  server {{
    listen {bait.host}:{bait.port()};
    root {bait.file('www')};
    location ~ \\.php$ {{
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_pass unix:{bait.file('fpm.sock')};
    }}
  }}
}}
""")
    bait.write("fpm.conf", f"""[global]
error_log = {bait.file('fpm_error.log')}
pid = {bait.file('fpm.pid')}
daemonize = no
[www]
user = www-data
group = www-data
listen = {bait.file('fpm.sock')}
listen.owner = www-data
listen.mode = 0666
pm = static
pm.max_children = 4
php_value[session.save_path] = {bait.file('sessions')}
php_value[sys_temp_dir] = {bait.file('sessions')}
""")
    return [bait.entrance([installed(NEEDS[1]), "-c", bait.file("nginx.conf"), "-p", bait.folder]),
            bait.part("fpm", [installed(NEEDS[0]), "--nodaemonize", "--fpm-config", bait.file("fpm.conf")], 1,
                      sockets=[bait.file("fpm.sock")])]


def visit(address, random):
    client = HttpClient(address)
    form = client.request("GET", "/form.php")
    token = re.search('value="([^"]+)"', form.body)
    if not token:
        raise Unexpected(form.body)
    fields = {"token": token[1].replace("&#43;", "+"), "name": word(random, 3, 30), "host": f"localhost; id #{word(random)}"}
    client.request("POST", "/form.php", [f"Cookie: {form.cookie('PHPSESSID')}", "Content-Type: application/x-www-form-urlencoded"],
                   "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()))
    client.close()
