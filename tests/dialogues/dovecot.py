"""Dovecot with a user whom it knows by a file, and mail boxes in a folder of the bait."""
from bait import installed
from client import Client

PROGRAM = "/usr/sbin/dovecot"
OWN = ("anvil", "auth", "config", "imap", "imap-login", "log", "stats")
SIEVE = "/usr/lib/dovecot/modules/lib95_imap_sieve_plugin.so"


def service(bait, mechanism, scheme):
    bait.folder_of("dovenull", "run")
    home = bait.folder_of("mail", "home")
    bait.folder_of("mail", "home/bee")
    bait.write("users", f"bee:{{{scheme}}}honey:8:8::{home}/bee::\n")
    bait.write("pipe/learn", "#!/bin/sh\nid\n", 0o755)
    bait.write("learn.sieve", 'require ["vnd.dovecot.pipe", "copy"];\npipe :copy "learn";\n', 0o666)
    hooks = f"""  sieve_plugins = sieve_imapsieve sieve_extprograms
  sieve_global_extensions = +vnd.dovecot.pipe
  sieve_pipe_bin_dir = {bait.file('pipe')}
  imapsieve_mailbox1_name = Junk
  imapsieve_mailbox1_causes = COPY
  imapsieve_mailbox1_before = file:{bait.file('learn.sieve')}
""" if bait.vulnerable else ""
    bait.write("dovecot.conf", f"""base_dir = {bait.file('run')}
state_dir = {bait.file('run')}
log_path = {bait.file('dovecot.log')}
protocols = imap
listen = {bait.host}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanism}
mail_location = maildir:~/mail
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {bait.file('users')}
}}
userdb {{
  driver = passwd-file
  args = {bait.file('users')}
}}
namespace inbox {{
  inbox = yes
  mailbox Junk {{
    auto = create
  }}
}}
# Processes that stay: what the master starts on behalf of one session would be taken for that session's.
service imap {{
  client_limit = 1
  process_min_avail = 8
  service_count = 0
}}
service imap-login {{
  chroot =
  process_min_avail = 2
  service_count = 0
  inet_listener imap {{
    port = {bait.port()}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
protocol imap {{
  mail_plugins = $mail_plugins imap_sieve
}}
plugin {{
{hooks}}}
""")
    group = {"name": bait.name + "-own", "programs": [PROGRAM, "/usr/bin/doveconf",
                                                        *(f"/usr/lib/dovecot/{each}" for each in OWN)]}
    return bait.entrance([installed(PROGRAM), "-F", "-c", bait.file("dovecot.conf")], groups=[group])


class Imap(Client):
    def __init__(self, address):
        super().__init__(address)
        self.number = 0
        self.line()

    def tag(self):
        self.number += 1
        return f"a{self.number}"

    def until_tagged(self, tag):
        while not (line := self.line()).startswith(tag + " "):
            pass
        return line

    def command(self, words):
        tag = self.tag()
        self.say(f"{tag} {words}\r\n")
        return self.until_tagged(tag)

    def append(self, mailbox, letter):
        """By a literal; the letter's number that the server gives it."""
        tag = self.tag()
        self.say(f"{tag} APPEND {mailbox} (\\Seen) {{{len(letter)}}}\r\n")
        self.line()
        self.say(letter + "\r\n")
        return self.until_tagged(tag).partition("APPENDUID ")[2].partition("]")[0].split()[1]
