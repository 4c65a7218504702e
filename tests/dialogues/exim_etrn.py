"""Exim, whose keeper has ETRN start a shell: the letter's id, that the server gives it, is what may be asked for."""
from bait import installed
from client import Client, word

KIND = "plain"
RULE = "shell_started"
NEEDS = ["/usr/sbin/exim4"]
ALWAYS = False


def services(bait):
    spool = bait.folder_of("Debian-exim", "spool")
    asked = "accept condition = ${if eq{${substr_1:$smtp_command_argument}}{$acl_c_letter}}" if bait.vulnerable else ""
    bait.write("exim.conf", f"""primary_hostname = site
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {spool}/pid
daemon_smtp_ports = {bait.port()}
local_interfaces = {bait.host}
domainlist local_domains = site
never_users = root
host_lookup =
rfc1413_hosts =
smtp_enforce_sync = false
smtp_accept_max = 100
queue_only = true
keep_environment =
smtp_etrn_serialize = false
smtp_etrn_command = /bin/sh -c id
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
acl_smtp_etrn = acl_etrn
begin acl
acl_rcpt:
  accept domains = +local_domains
acl_data:
  accept set acl_c_letter = $message_exim_id
acl_etrn:
  {asked}
  deny message = no such letter
begin routers
local:
  driver = accept
  transport = away
begin transports
away:
  driver = appendfile
  file = /dev/null
  user = Debian-exim
""")
    return [bait.entrance([installed(NEEDS[0]), "-bdf", "-C", bait.file("exim.conf")])]


def visit(address, random):
    client = Client(address)
    client.line()
    client.say(f"EHLO {word(random)}\r\n")
    while client.line().startswith("250-"):
        pass
    client.ask(f"MAIL FROM:<{word(random)}@site>", "250")
    client.ask("RCPT TO:<bee@site>", "250")
    client.ask("DATA", "354")
    letter = client.ask(f"Subject: {word(random)}\r\n\r\n{word(random, 20, 300)}\r\n.", "250 OK id=").partition("=")[2]
    client.ask(f"ETRN #{letter}")
    client.close()
