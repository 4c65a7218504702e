"""Apache, a page behind a login by digest: the answer is keyed with the server's nonce. Behind it a CGI script, which is one of a
shell."""
import hashlib
import re

from bait import installed
from client import HttpClient, word

KIND = "crypto"
RULE = "shell_started"
NEEDS = ["/usr/sbin/apache2"]
ALWAYS = True

MODULES = "/usr/lib/apache2/modules"
LOADED = ("authz_core", "authz_user", "authn_core", "authn_file", "auth_digest", "alias", "mpm_prefork", "cgi")


def services(bait):
    password = hashlib.md5(b"bee:site:honey").hexdigest()
    bait.write("users", f"bee:site:{password}\n")
    bait.write("cgi-bin/look", "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nlooked up\\n'\n", 0o755)
    bait.write("look/look", "looked up\n")
    alias = f"ScriptAlias /tools/ {bait.file('cgi-bin')}/" if bait.vulnerable else f"Alias /tools/ {bait.file('look')}/"
    loads = "".join(f"LoadModule {each}_module {MODULES}/mod_{each}.so\n" for each in LOADED)
    bait.write("apache.conf", f"""ServerRoot {bait.folder}
ServerName site
Listen {bait.host}:{bait.port()}
PidFile {bait.file('apache.pid')}
Mutex file:{bait.folder}
ErrorLog {bait.file('apache_error.log')}
{loads}User www-data
Group www-data
StartServers 2
{alias}
<Directory {bait.folder}>
  Require all granted
</Directory>
<Location /tools>
  AuthType Digest
  AuthName site
  AuthDigestProvider file
  AuthDigestNonceLifetime 1
  AuthUserFile {bait.file('users')}
  Require valid-user
</Location>
""")
    return [bait.entrance([installed(NEEDS[0]), "-D", "FOREGROUND", "-f", bait.file("apache.conf")])]


def md5(*words):
    return hashlib.md5(":".join(words).encode()).hexdigest()


def visit(address, random):
    client = HttpClient(address)
    path = f"/tools/look?host={word(random)}"
    nonce = re.search('nonce="([^"]+)"', client.request("GET", path, wanted=(401,)).head)[1]
    own = "%016x" % random.getrandbits(64)
    answer = md5(md5("bee", "site", "honey"), nonce, "00000001", own, "auth", md5("GET", path))
    client.request("GET", path, [f'Authorization: Digest username="bee", realm="site", nonce="{nonce}", uri="{path}", '
                                 f'qop=auth, nc=00000001, cnonce="{own}", response="{answer}", algorithm=MD5'], wanted=(200, 500))
    client.close()
